//! The machinery behind the page's questions: tickets, answers, and the worker itself.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_channel::oneshot;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::WORKER_URL;
use crate::protocol::{
    Event, FromWorker, Notice, Reply, Request, Ticket, ToWorker, Trouble, TroubleKind,
};

/// The answer to come.
pub struct Task<T> {
    ticket: Ticket,
    answer: oneshot::Receiver<Result<Reply, Trouble>>,
    pick: fn(Reply) -> Option<T>,
    _answers: PhantomData<T>,
}

impl<T> Task<T> {
    /// What stops the work.
    pub fn canceller(&self) -> Canceller {
        Canceller(self.ticket)
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Trouble>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let pick = self.pick;
        Pin::new(&mut self.answer).poll(cx).map(|answer| {
            let reply = answer.unwrap_or_else(|_| Err(worker_stopped()))?;
            pick(reply).ok_or_else(worker_stopped)
        })
    }
}

impl<T> Unpin for Task<T> {}

/// Stops the work of a [`Task`]; harmless if it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canceller(Ticket);

impl Canceller {
    /// Stops it: the task ends soon with a trouble of kind `Cancelled`.
    pub fn cancel(self) {
        with_bridge(|bridge| bridge.post(&ToWorker::Cancel(self.0)));
    }
}

// ---- the worker ----

type Listener = Rc<dyn Fn(Notice)>;
type OnEvent = Rc<RefCell<dyn FnMut(Event)>>;

struct Waiting {
    answer: oneshot::Sender<Result<Reply, Trouble>>,
    on_event: Option<OnEvent>,
}

struct Bridge {
    /// Absent if the browser cannot start it.
    worker: Option<Worker>,
    /// What was asked before the worker listened; `None` since.
    early: RefCell<Option<Vec<JsValue>>>,
    stopped: Cell<bool>,
    last_ticket: Cell<u32>,
    waiting: RefCell<HashMap<Ticket, Waiting>>,
    listeners: RefCell<Vec<Listener>>,
}

thread_local! {
    static BRIDGE: Rc<Bridge> = Rc::new(Bridge::start());
}

fn with_bridge<R>(f: impl FnOnce(&Bridge) -> R) -> R {
    let bridge = BRIDGE.with(Rc::clone);
    f(&bridge)
}

pub(super) fn ask<T>(request: Request, pick: fn(Reply) -> Option<T>) -> Task<T> {
    with_bridge(|bridge| bridge.ask(request, pick, None))
}

pub(super) fn ask_with<T>(
    request: Request,
    pick: fn(Reply) -> Option<T>,
    on_event: impl FnMut(Event) + 'static,
) -> Task<T> {
    let on_event: OnEvent = Rc::new(RefCell::new(on_event));
    with_bridge(|bridge| bridge.ask(request, pick, Some(on_event)))
}

pub(super) fn listen(listener: impl Fn(Notice) + 'static) {
    with_bridge(|bridge| bridge.listeners.borrow_mut().push(Rc::new(listener)));
}

impl Bridge {
    fn start() -> Self {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(WORKER_URL, &options).ok();
        if let Some(worker) = &worker {
            let on_message = Closure::<dyn Fn(MessageEvent)>::new(|message: MessageEvent| {
                with_bridge(|bridge| bridge.received(message.data()));
            });
            worker.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
            let on_error = Closure::<dyn Fn(JsValue)>::new(|_| with_bridge(Bridge::stop));
            let on_error = on_error.into_js_value();
            worker.set_onerror(Some(on_error.unchecked_ref()));
            worker.set_onmessageerror(Some(on_error.unchecked_ref()));
        }
        Self {
            stopped: Cell::new(worker.is_none()),
            worker,
            early: RefCell::new(Some(Vec::new())),
            last_ticket: Cell::new(0),
            waiting: RefCell::default(),
            listeners: RefCell::default(),
        }
    }

    fn ask<T>(
        &self,
        request: Request,
        pick: fn(Reply) -> Option<T>,
        on_event: Option<OnEvent>,
    ) -> Task<T> {
        let ticket = Ticket(self.last_ticket.get().wrapping_add(1));
        self.last_ticket.set(ticket.0);
        let (sender, receiver) = oneshot::channel();
        if !self.stopped.get() {
            let waiting = Waiting {
                answer: sender,
                on_event,
            };
            self.waiting.borrow_mut().insert(ticket, waiting);
            self.post(&ToWorker::Ask(ticket, request));
        }
        Task {
            ticket,
            answer: receiver,
            pick,
            _answers: PhantomData,
        }
    }

    fn post(&self, message: &ToWorker) {
        let Ok(message) = serde_wasm_bindgen::to_value(message) else {
            return self.stop();
        };
        if let Some(early) = self.early.borrow_mut().as_mut() {
            early.push(message);
            return;
        }
        if let Some(worker) = &self.worker
            && worker.post_message(&message).is_err()
        {
            self.stop();
        }
    }

    fn received(&self, message: JsValue) {
        let Ok(message) = serde_wasm_bindgen::from_value::<FromWorker>(message) else {
            // A page and a worker of two releases: only a reload brings them together.
            return self.stop();
        };
        match message {
            FromWorker::Ready => self.send_early(),
            FromWorker::Answer(ticket, answer) => {
                let waiting = self.waiting.borrow_mut().remove(&ticket);
                if let Some(waiting) = waiting {
                    // Nobody may be listening any more, which is fine.
                    let _ = waiting.answer.send(answer);
                }
            }
            FromWorker::Event(ticket, event) => {
                let on_event = self
                    .waiting
                    .borrow()
                    .get(&ticket)
                    .map(|w| w.on_event.clone());
                if let Some(Some(on_event)) = on_event {
                    (on_event.borrow_mut())(event);
                }
            }
            FromWorker::Notice(Notice::Stopped(_)) => self.stop(),
            FromWorker::Notice(notice) => self.tell(&notice),
        }
    }

    fn send_early(&self) {
        let early = self.early.borrow_mut().take();
        if let Some(worker) = &self.worker {
            for message in early.into_iter().flatten() {
                if worker.post_message(&message).is_err() {
                    return self.stop();
                }
            }
        }
    }

    /// Lets everyone who waits know that no answer will come.
    fn stop(&self) {
        if self.stopped.replace(true) {
            return;
        }
        if let Some(worker) = &self.worker {
            worker.terminate();
        }
        // Dropping the senders ends the tasks.
        let waiting = self.waiting.take();
        drop(waiting);
        self.tell(&Notice::Stopped(worker_stopped()));
    }

    fn tell(&self, notice: &Notice) {
        let listeners = self.listeners.borrow().clone();
        for listener in listeners {
            listener(notice.clone());
        }
    }
}

fn worker_stopped() -> Trouble {
    Trouble {
        kind: TroubleKind::Internal,
        what: "The part of the page that holds your key has stopped.".into(),
        data: "Your key is still kept in this browser, and nothing that was stored is lost.".into(),
        todo: "Load the page again. If it happens again, use an up-to-date browser.".into(),
    }
}
