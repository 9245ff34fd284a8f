//! The page's side of the worker: one function for each thing that can be asked.
//!
//! The worker starts with the first call and lives as long as the page. Every function returns a
//! [`Task`], which runs whether it is awaited or not; dropping it only stops listening. To stop the
//! work itself, keep its [`Canceller`].
//!
//! ```ignore
//! let task = bridge::create_key(move |step| set_step.set(Some(step)));
//! let stop = task.canceller();            // Copy + Send, for a button
//! match task.await { Ok(status) => .., Err(trouble) => .. }
//! ```

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use darkroom_api::compute::Catalogue;
use darkroom_api::ids::ObjectId;
use futures_channel::oneshot;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

use crate::protocol::{
    Analysis, AnalysisEvent, Entry, Event, FromWorker, KeyStep, Notice, Opened, Prepared, Reply,
    Request, Secret, Status, Summary, Ticket, ToWorker, Trouble, TroubleKind,
};

/// Where trunk puts the script that loads the worker.
const WORKER_URL: &str = "/worker_loader.js";

// ---- what can be asked ----

/// The state of the key.
pub fn status() -> Task<Status> {
    ask(Request::Status, pick_status)
}

/// Makes a key, unless there is one already (perhaps made in another tab just now).
pub fn create_key(mut on_step: impl FnMut(KeyStep) + 'static) -> Task<Status> {
    ask_to_persist();
    ask_with(Request::CreateKey, pick_status, move |event| {
        if let Event::Key(step) = event {
            on_step(step);
        }
    })
}

/// The 24 words that bring the key back. From then on the key counts as backed up.
pub fn recovery_words() -> Task<Vec<Secret>> {
    ask(Request::RecoveryWords, |reply| match reply {
        Reply::Words(words) => Some(words),
        _ => None,
    })
}

/// A file that brings the key back together with the passphrase. Takes a few seconds on purpose.
pub fn export_key(passphrase: Secret) -> Task<Vec<u8>> {
    ask(Request::ExportKey { passphrase }, |reply| match reply {
        Reply::File(bytes) => Some(bytes),
        _ => None,
    })
}

/// Takes the key out of its 24 words; `replace` allows to put it in another one's place.
pub fn restore_words(words: Secret, replace: bool) -> Task<Status> {
    ask_to_persist();
    ask(Request::RestoreWords { words, replace }, pick_status)
}

/// Takes the key out of a backup file; `replace` allows to put it in another one's place.
pub fn restore_file(file: Vec<u8>, passphrase: Secret, replace: bool) -> Task<Status> {
    ask_to_persist();
    let request = Request::RestoreFile {
        file,
        passphrase,
        replace,
    };
    ask(request, pick_status)
}

/// Wipes the key and every picture from this browser. What is in storage stays there, unreadable
/// without a backup.
pub fn forget() -> Task<Status> {
    ask(Request::Forget, pick_status)
}

/// The models that can be run.
pub fn catalogue() -> Task<Catalogue> {
    ask(Request::Catalogue, |reply| match reply {
        Reply::Catalogue(catalogue) => Some(catalogue),
        _ => None,
    })
}

/// Decodes a file into exactly the pixels that a model's frame makes of it. Needs no key.
pub fn prepare(blob: web_sys::Blob, width: u32, height: u32) -> Task<Prepared> {
    let request = Request::Prepare {
        blob,
        width,
        height,
    };
    ask(request, |reply| match reply {
        Reply::Prepared(prepared) => Some(prepared),
        _ => None,
    })
}

/// Runs a model on pictures. Entries also arrive as [`Notice::Entry`], from the first moment on.
/// Cancelled, it deletes again what was stored for pictures without a result.
pub fn analyse(
    analysis: Analysis,
    mut on_event: impl FnMut(AnalysisEvent) + 'static,
) -> Task<Summary> {
    let pick = |reply| match reply {
        Reply::Summary(summary) => Some(summary),
        _ => None,
    };
    ask_with(Request::Analyse(analysis), pick, move |event| {
        if let Event::Analysis(event) = event {
            on_event(event);
        }
    })
}

/// All entries, newest first. `on_known` gets those that this browser knows, at once; the answer
/// comes when storage and compute were asked as well.
pub fn history(mut on_known: impl FnMut(Vec<Entry>) + 'static) -> Task<Vec<Entry>> {
    let pick = |reply| match reply {
        Reply::History(entries) => Some(entries),
        _ => None,
    };
    ask_with(Request::History, pick, move |event| {
        if let Event::History(entries) = event {
            on_known(entries);
        }
    })
}

/// Everything about an entry that is done: fetched from storage and decrypted anew.
pub fn open(entry: ObjectId) -> Task<Opened> {
    ask(Request::Open { entry }, |reply| match reply {
        Reply::Opened(opened) => Some(*opened),
        _ => None,
    })
}

/// Stops an entry that is under way, also one of an earlier visit, and deletes it.
pub fn cancel_entry(entry: ObjectId) -> Task<()> {
    ask(Request::CancelEntry { entry }, pick_done)
}

/// Deletes an entry here and in storage.
pub fn delete(entry: ObjectId) -> Task<()> {
    ask(Request::Delete { entry }, pick_done)
}

/// Deletes all entries, here and in storage. The key stays.
pub fn delete_all() -> Task<()> {
    ask(Request::DeleteAll, pick_done)
}

/// Calls `listener` with every notice from now on.
pub fn on_notice(listener: impl Fn(Notice) + 'static) {
    with_bridge(|bridge| bridge.listeners.borrow_mut().push(Rc::new(listener)));
}

/// Asks the browser not to clear the page's data by itself; a worker cannot ask. The answer shows in
/// the next [`Status`].
fn ask_to_persist() {
    let storage = js_sys::global()
        .dyn_into::<web_sys::Window>()
        .ok()
        .and_then(|window| js_sys::Reflect::get(&window.navigator(), &"storage".into()).ok())
        .and_then(|storage| storage.dyn_into::<web_sys::StorageManager>().ok());
    if let Some(Ok(promise)) = storage.map(|storage| storage.persist()) {
        wasm_bindgen_futures::spawn_local(async move {
            // A refusal is an answer, too.
            let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
        });
    }
}

fn pick_status(reply: Reply) -> Option<Status> {
    match reply {
        Reply::Status(status) => Some(status),
        _ => None,
    }
}

fn pick_done(reply: Reply) -> Option<()> {
    matches!(reply, Reply::Done).then_some(())
}

// ---- tasks ----

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

fn ask<T>(request: Request, pick: fn(Reply) -> Option<T>) -> Task<T> {
    with_bridge(|bridge| bridge.ask(request, pick, None))
}

fn ask_with<T>(
    request: Request,
    pick: fn(Reply) -> Option<T>,
    on_event: impl FnMut(Event) + 'static,
) -> Task<T> {
    let on_event: OnEvent = Rc::new(RefCell::new(on_event));
    with_bridge(|bridge| bridge.ask(request, pick, Some(on_event)))
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
