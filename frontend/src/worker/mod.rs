//! The worker's side: the only place where the key is. One task for each request of the page, and
//! those that go on unasked.
//!
//! | module | what it does |
//! |---|---|
//! | `identity`, `wrap` | keep and forget the key |
//! | `backup` | the key as words and as a file |
//! | `picture`, `objects` | files become pixels, pixels become ciphertexts and back |
//! | `large_key` | the large key, made by several workers of the same program and sent |
//! | `begin`, `run`, `stages`, `submit`, `undo` | a job from pixels to results; `follow` hears how compute is getting on |
//! | `history`, `delete` | what was analysed before, also on other devices |
//! | `services`, `http` | storage and compute |
//! | `door` | the way into the vault: the token of the present generation, or an invitation |
//! | `access`, `log` | who else gets in, and what was done |
//! | `book`, `database`, `note` | what this browser remembers, and what storage keeps for it |
//! | `context`, `stop`, `scope`, `trouble` | what all of them share |
//!
//! Nothing is ever logged.

mod access;
mod backup;
mod begin;
mod book;
mod context;
mod database;
mod delete;
mod door;
mod follow;
mod history;
mod http;
mod identity;
mod large_key;
mod log;
mod note;
mod objects;
mod picture;
mod run;
mod scope;
mod services;
mod stages;
mod stop;
mod submit;
mod trouble;
mod undo;
mod wrap;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::picture::Pixels;
use futures_channel::oneshot;
use futures_util::FutureExt;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

use crate::protocol::{
    Cause, Event, FromWorker, KeyStep, Notice, Reply, Request, Secret, Status, Ticket, ToWorker,
    Trouble,
};
use context::Context;
use stop::Stop;

/// Starts to take requests, or to make parts of the large key if it was started for that.
pub fn start() {
    if scope().name() == large_key::maker::NAME {
        return large_key::maker::start(&scope());
    }
    std::panic::set_hook(Box::new(|_| {
        // What a panic says may hold what nobody should read: only that it happened leaves.
        let stopped = trouble::browser("The part of the page that holds your key has stopped.");
        post(&FromWorker::Notice(Notice::Stopped(stopped)));
    }));
    let worker = Rc::new(Worker::new());
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
        if let Ok(message) = serde_wasm_bindgen::from_value(message.data()) {
            worker.clone().received(message);
        }
    });
    scope().set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
    post(&FromWorker::Ready);
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn post(message: &FromWorker) {
    if let Ok(message) = serde_wasm_bindgen::to_value(message) {
        // Fails only if the page is gone.
        let _ = scope().post_message(&message);
    }
}

struct Worker {
    /// Opened by a task of its own; every request waits for it.
    context: futures_util::future::Shared<oneshot::Receiver<Rc<Context>>>,
    running: RefCell<HashMap<Ticket, Stop>>,
}

impl Worker {
    fn new() -> Self {
        let (opened, context) = oneshot::channel();
        spawn_local(async move {
            let context = Context::open(Rc::new(|message| post(&message))).await;
            context.resume();
            // The worker never drops the other end.
            let _ = opened.send(context);
        });
        Self {
            context: context.shared(),
            running: RefCell::default(),
        }
    }

    fn received(self: Rc<Self>, message: ToWorker) {
        match message {
            ToWorker::Cancel(ticket) => {
                let running = self.running.borrow().get(&ticket).cloned();
                if let Some(stop) = running {
                    stop.stop();
                }
            }
            ToWorker::Ask(ticket, request) => {
                let stop = Stop::new();
                self.running.borrow_mut().insert(ticket, stop.clone());
                spawn_local(async move {
                    let answer = self.answer(ticket, request, stop).await;
                    self.running.borrow_mut().remove(&ticket);
                    post(&FromWorker::Answer(ticket, answer));
                });
            }
        }
    }

    async fn answer(&self, ticket: Ticket, request: Request, stop: Stop) -> Result<Reply, Trouble> {
        let context = self.context.clone().await;
        let context = context.map_err(|_| trouble::browser("The worker did not open."))?;
        let task = Task {
            context,
            ticket,
            stop,
        };
        task.answer(request).await
    }
}

/// One request.
struct Task {
    context: Rc<Context>,
    ticket: Ticket,
    stop: Stop,
}

impl Task {
    async fn answer(self, request: Request) -> Result<Reply, Trouble> {
        let context = &self.context;
        match request {
            Request::Status => Ok(Reply::Status(self.status().await)),
            Request::CreateKey => self.create_key().await,
            Request::RecoveryWords => self.recovery_words().await,
            Request::ExportKey { passphrase } => self.export_key(passphrase).await,
            Request::RestoreWords { words, replace } => {
                self.restore(backup::from_words(&words)?, replace).await
            }
            Request::RestoreFile {
                file,
                passphrase,
                replace,
            } => {
                self.restore(backup::from_file(&file, &passphrase)?, replace)
                    .await
            }
            Request::Forget => self.forget().await,
            Request::LargeKey { parameters } => {
                let services = context.owned(self.stop)?;
                let key = large_key::state(&services, parameters).await?;
                Ok(Reply::LargeKey(key))
            }
            Request::MakeLargeKey { parameters } => {
                context.making(&self.stop);
                let services = context.owned(self.stop)?;
                let cause = Cause::Missing;
                let key = large_key::ensure(context, &services, parameters, cause).await?;
                Ok(Reply::LargeKey(key))
            }
            Request::Vault
            | Request::Invitation(_)
            | Request::RotateToken
            | Request::Tokens
            | Request::MakeToken { .. }
            | Request::RevokeToken(_)
            | Request::Log
            | Request::LogBefore(_)
            | Request::ForgetLog => self.access(request).await,
            Request::Catalogue => context.catalogue(self.stop).await.map(Reply::Catalogue),
            Request::Prepare {
                blob,
                frame,
                inverted,
            } => {
                let prepared = picture::prepare(&blob, frame, inverted);
                self.stop.unless(prepared).await?.map(Reply::Prepared)
            }
            Request::Analyse(analysis) => begin::analyse(context, self.ticket, analysis, self.stop)
                .await
                .map(Reply::Summary),
            Request::History => history::history(context, self.ticket, self.stop)
                .await
                .map(Reply::History),
            Request::Open { entry } => {
                let opened = history::open(context, entry, self.stop).await?;
                Ok(Reply::Opened(Box::new(opened)))
            }
            Request::CancelEntry { entry } | Request::Delete { entry } => {
                delete::delete(context, entry, self.stop)
                    .await
                    .map(|()| Reply::Done)
            }
            Request::DeleteAll => delete::delete_all(context, self.stop)
                .await
                .map(|()| Reply::Done),
        }
    }

    /// What concerns the way into the vault, and who else gets in.
    async fn access(self, request: Request) -> Result<Reply, Trouble> {
        let context = &self.context;
        let services = context.owned(self.stop.clone())?;
        Ok(match request {
            Request::Invitation(Secret(ref text)) => {
                let invitation = text.trim().parse();
                let invitation = invitation.map_err(|_| trouble::not_an_invitation())?;
                if let Some(unasked) = context.door().give(invitation) {
                    services.invited(&unasked).await?;
                }
                Reply::Done
            }
            Request::Vault => Reply::Vault(services.vault_state().await?),
            Request::RotateToken => {
                services.rotate().await?;
                // The other tabs read it from the database.
                context.tell(&context::News::Key);
                Reply::Done
            }
            Request::Tokens => Reply::Tokens(services.tokens().await?),
            Request::MakeToken { label, scope, days } => {
                Reply::Token(services.make_token(label, scope, days).await?)
            }
            Request::RevokeToken(token) => {
                services.revoke_token(token).await?;
                Reply::Done
            }
            Request::Log => Reply::Log(log::read(context, self.stop).await?),
            Request::LogBefore(number) => Reply::LogEntries(log::before(context, number)),
            Request::ForgetLog => {
                log::forget(context).await?;
                Reply::Done
            }
            _ => Reply::Done,
        })
    }

    async fn status(&self) -> Status {
        self.context.identity.ask_keeping().await;
        self.context.identity.status()
    }

    async fn create_key(self) -> Result<Reply, Trouble> {
        let context = &self.context;
        if context.identity.status().key.is_none() {
            if context.identity.status().locked {
                return Err(trouble::locked());
            }
            self.step(KeyStep::Drawing).await?;
            let core = |error| trouble::core(&error);
            let key = ClientKey::generate(&mut scope::randomness()?).map_err(core)?;
            self.step(KeyStep::Deriving).await?;
            try_out(&key)?;
            self.step(KeyStep::Keeping).await?;
            context.identity.keep(&context.database, key, false).await?;
            context.key_changed();
            context.door().made_here();
            self.open_vault().await;
        }
        Ok(Reply::Status(self.status().await))
    }

    async fn step(&self, step: KeyStep) -> Result<(), Trouble> {
        self.context.event(self.ticket, Event::Key(step));
        self.stop.sleep(0).await
    }

    /// Storage need not be reachable for a key to be made: the first upload opens the vault, too.
    async fn open_vault(&self) {
        self.context
            .event(self.ticket, Event::Key(KeyStep::OpeningVault));
        if let Ok(services) = self.context.owned(self.stop.clone()) {
            let _ = self.stop.unless(services.try_open_vault()).await;
        }
    }

    async fn recovery_words(self) -> Result<Reply, Trouble> {
        let words = backup::words(&self.context.identity.held()?.key)?;
        self.backed_up().await?;
        Ok(Reply::Words(words))
    }

    async fn export_key(self, passphrase: Secret) -> Result<Reply, Trouble> {
        let file = backup::to_file(&self.context.identity.held()?.key, &passphrase)?;
        self.backed_up().await?;
        Ok(Reply::File(file))
    }

    async fn backed_up(&self) -> Result<(), Trouble> {
        let context = &self.context;
        context.identity.mark_backed_up(&context.database).await?;
        context.tell(&context::News::Key);
        context.notify(Notice::Status(context.identity.status()));
        Ok(())
    }

    async fn restore(self, key: ClientKey, replace: bool) -> Result<Reply, Trouble> {
        let context = &self.context;
        let identity = &context.identity;
        let here = identity.status();
        let same = here
            .key
            .as_ref()
            .is_some_and(|info| info.id.0 == key.key_id());
        if same {
            self.backed_up().await?;
        } else {
            if here.key.is_some() && !replace {
                return Err(trouble::another_key());
            }
            try_out(&key)?;
            identity.forget(&context.database).await?;
            identity.keep(&context.database, key, true).await?;
            context.key_changed();
        }
        Ok(Reply::Status(self.status().await))
    }

    async fn forget(self) -> Result<Reply, Trouble> {
        let context = &self.context;
        delete::forget_large_key(context).await;
        context.identity.forget(&context.database).await?;
        context.key_changed();
        Ok(Reply::Status(self.status().await))
    }
}

/// Encrypts one small picture and decrypts it again, so that a browser that computes wrongly is found
/// before anything is trusted to it.
fn try_out(key: &ClientKey) -> Result<(), Trouble> {
    let core = |error| trouble::core(&error);
    let pixels = Pixels::new(3, 2, vec![0, 1, 127, 128, 254, 255]).map_err(core)?;
    let image = key
        .encrypt_image(&pixels, &mut scope::randomness()?)
        .map_err(core)?;
    let again = key.decrypt_image(&image).map_err(core)?;
    if again.as_bytes() == pixels.as_bytes() {
        Ok(())
    } else {
        Err(trouble::browser(
            "This browser computes wrongly; its keys could not be trusted.",
        ))
    }
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
