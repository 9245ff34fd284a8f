//! The workers that make parts of the large key, seen from the one that holds the key.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::KeyId;
use futures_channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};
use zeroize::Zeroizing;

use super::maker::{FromMaker, NAME, ToMaker};
use crate::WORKER_URL;
use crate::protocol::Trouble;
use crate::worker::trouble;

/// What the parts are made from.
pub struct Order {
    pub(super) secret: Zeroizing<Vec<u8>>,
    pub(super) key: KeyId,
    pub(super) parameters: ParameterSetId,
    /// The parts that are not begun.
    pub(super) parts: VecDeque<u16>,
}

/// A part as it is stored, header included.
pub struct Made {
    pub(super) index: u16,
    pub(super) object: Uint8Array,
}

/// Workers at work. Dropped, they are gone.
pub struct Crew {
    makers: Vec<Maker>,
    /// What they have made; ends when they are sent home.
    pub(super) made: UnboundedReceiver<Result<Made, Trouble>>,
}

struct Maker {
    worker: Worker,
    // These live as long as the worker may call them.
    _on_message: Closure<dyn Fn(MessageEvent)>,
    _on_error: Closure<dyn Fn(JsValue)>,
}

impl Drop for Maker {
    fn drop(&mut self) {
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
    }
}

impl Crew {
    /// Puts so many workers to work.
    ///
    /// # Errors
    /// The browser gives none.
    pub fn hire(count: u16, order: Order) -> Result<Self, Trouble> {
        let (sender, made) = mpsc::unbounded();
        let order = Rc::new(RefCell::new(order));
        let makers: Result<Vec<Maker>, Trouble> = (0..count)
            .map(|_| Maker::hire(&order, &sender).map_err(|_| stopped()))
            .collect();
        Ok(Self {
            makers: makers?,
            made,
        })
    }

    /// Sends all workers home; what they have made already is still to be had.
    pub fn dismiss(&mut self) {
        self.makers.clear();
    }
}

impl Maker {
    fn hire(
        order: &Rc<RefCell<Order>>,
        sender: &UnboundedSender<Result<Made, Trouble>>,
    ) -> Result<Self, JsValue> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        options.set_name(NAME);
        let worker = Worker::new_with_options(WORKER_URL, &options)?;
        let (own, order, made) = (worker.clone(), order.clone(), sender.clone());
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            let heard = serde_wasm_bindgen::from_value(message.data());
            let heard = heard
                .map_err(|_| ())
                .and_then(|message| heed(&own, &mut order.borrow_mut(), message).map_err(|_| ()));
            let news = match heard {
                Ok(None) => return,
                Ok(Some(part)) => Ok(part),
                Err(()) => Err(stopped()),
            };
            // Nobody waits any more: fine.
            let _ = made.unbounded_send(news);
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        let made = sender.clone();
        let on_error = Closure::<dyn Fn(JsValue)>::new(move |_| {
            let _ = made.unbounded_send(Err(stopped()));
        });
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        Ok(Self {
            worker,
            _on_message: on_message,
            _on_error: on_error,
        })
    }
}

/// Hears what a worker says and gives it the next thing to do.
fn heed(worker: &Worker, order: &mut Order, message: FromMaker) -> Result<Option<Made>, JsValue> {
    let made = match message {
        FromMaker::Ready => {
            let secret = Uint8Array::from(order.secret.as_slice());
            let buffer = secret.buffer();
            let begin = ToMaker::Begin {
                secret,
                key: order.key,
                parameters: order.parameters,
            };
            let begin = serde_wasm_bindgen::to_value(&begin)?;
            worker.post_message_with_transfer(&begin, &Array::of1(&buffer))?;
            None
        }
        FromMaker::Made { index, object } => Some(Made { index, object }),
        FromMaker::Failed => return Err(JsValue::UNDEFINED),
    };
    if let Some(index) = order.parts.pop_front() {
        worker.post_message(&serde_wasm_bindgen::to_value(&ToMaker::Make(index))?)?;
    }
    Ok(made)
}

fn stopped() -> Trouble {
    trouble::browser("A part of the page that was making your large key has stopped.")
}
