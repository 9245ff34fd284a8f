//! What all of the worker's tasks share: the key, the database, the page, the other tabs.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use darkroom_api::compute::{Catalogue, ModelCard};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{ModelId, ObjectId};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{BroadcastChannel, MessageEvent};

use super::begin;
use super::book::{Book, Record};
use super::database::Database;
use super::door::Door;
use super::http::Reach;
use super::identity::Identity;
use super::large_key;
use super::log::Log;
use super::run::Run;
use super::services::{Owned, Public};
use super::stop::Stop;
use crate::protocol::{self, Entry, Event, FromWorker, Notice, Ticket, Trouble};

const CHANNEL: &str = "darkroom";

/// What one tab tells the others.
#[derive(Serialize, Deserialize)]
pub(super) enum News {
    /// The key in the database has changed.
    Key,
    /// This entry was written.
    Entry(ObjectId),
    /// This entry was removed.
    Removed(ObjectId),
    /// All entries were removed.
    Cleared,
    /// There is more or less of the large key in storage.
    LargeKey(ParameterSetId),
}

/// What all tasks share.
pub struct Context {
    pub(super) database: Rc<Database>,
    pub(super) identity: Rc<Identity>,
    /// What was read of the vault's log.
    pub(super) log: RefCell<Log>,
    /// Another one with every key.
    door: RefCell<Rc<Door>>,
    reach: Reach,
    post: Rc<dyn Fn(FromWorker)>,
    channel: Option<BroadcastChannel>,
    /// What compute offered when it was last asked.
    offered: RefCell<Vec<ModelCard>>,
    runs: RefCell<Vec<Rc<Run>>>,
    /// Stops what goes on unasked; another one with every key.
    background: RefCell<Stop>,
    /// Stops the making of the large key that no run has asked for.
    making: RefCell<Stop>,
    catching_up: Cell<bool>,
}

impl Context {
    /// Opens the database and loads the key.
    pub async fn open(post: Rc<dyn Fn(FromWorker)>) -> Rc<Self> {
        let database = Rc::new(Database::open().await);
        let identity = Rc::new(Identity::load(&database).await);
        let tell = post.clone();
        let notify: Rc<dyn Fn(Notice)> = Rc::new(move |notice| tell(FromWorker::Notice(notice)));
        let door = Door::new(identity.clone(), database.clone(), notify.clone());
        let context = Rc::new(Self {
            identity,
            log: RefCell::default(),
            door: RefCell::new(Rc::new(door)),
            reach: Reach::new(notify),
            post,
            channel: database
                .lasts()
                .then(|| BroadcastChannel::new(CHANNEL).ok())
                .flatten(),
            database,
            offered: RefCell::default(),
            runs: RefCell::default(),
            background: RefCell::new(Stop::new()),
            making: RefCell::new(Stop::new()),
            catching_up: Cell::new(false),
        });
        context.listen();
        context
    }

    // ---- the page ----

    /// Tells the page how far a request is.
    pub fn event(&self, ticket: Ticket, event: Event) {
        (self.post)(FromWorker::Event(ticket, event));
    }

    /// Tells the page something that it did not ask for.
    pub fn notify(&self, notice: Notice) {
        (self.post)(FromWorker::Notice(notice));
    }

    /// Shows an entry as it is now, without writing it.
    pub fn show(&self, entry: &Entry) {
        self.notify(Notice::Entry(Box::new(entry.clone())));
    }

    // ---- the services and the records ----

    /// The services, for who has no key.
    pub fn public(&self, stop: Stop) -> Public {
        Public {
            stop,
            reach: self.reach.clone(),
        }
    }

    /// The models that compute offers now.
    ///
    /// # Errors
    /// Compute refuses, or it was stopped.
    pub async fn catalogue(&self, stop: Stop) -> Result<Catalogue, Trouble> {
        let catalogue = self.public(stop).catalogue().await?;
        self.offered.replace(catalogue.models.clone());
        Ok(catalogue)
    }

    /// A model as it was last offered, so that a job can begin while compute is away; compute checks
    /// again what is submitted.
    ///
    /// # Errors
    /// It was never offered, and compute refuses, or it was stopped.
    pub async fn model(&self, id: &ModelId, stop: Stop) -> Result<ModelCard, Trouble> {
        let offered = self.offered.borrow().iter().find(|c| c.id == *id).cloned();
        match offered {
            Some(card) => Ok(card),
            None => self.public(stop).model(id).await,
        }
    }

    /// The services, with the key.
    ///
    /// # Errors
    /// There is no key.
    pub fn owned(&self, stop: Stop) -> Result<Owned, Trouble> {
        Ok(Owned {
            held: self.identity.held()?,
            door: self.door(),
            stop,
            reach: self.reach.clone(),
        })
    }

    /// The way into the vault.
    pub fn door(&self) -> Rc<Door> {
        self.door.borrow().clone()
    }

    /// The records.
    ///
    /// # Errors
    /// There is no key.
    pub fn book(&self) -> Result<Book, Trouble> {
        Ok(Book::new(self.database.clone(), self.identity.held()?))
    }

    /// The switch of what goes on unasked.
    pub fn background(&self) -> Stop {
        self.background.borrow().clone()
    }

    /// Says whether the history may be caught up with now: once at a time.
    pub fn begin_catching_up(&self) -> bool {
        !self.catching_up.replace(true)
    }

    /// Notes that catching up is over.
    pub fn end_catching_up(&self) {
        self.catching_up.set(false);
    }

    /// Writes an entry and shows it, here and in the other tabs.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn save(&self, book: &Book, record: &Record) -> Result<(), Trouble> {
        book.put_entry(record).await?;
        self.show(&record.entry);
        self.tell(&News::Entry(record.entry.id));
        Ok(())
    }

    /// Removes an entry here and from the other tabs.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn remove(&self, book: &Book, id: ObjectId) -> Result<(), Trouble> {
        book.remove_entry(id).await?;
        self.notify(Notice::EntryRemoved(id));
        self.tell(&News::Removed(id));
        Ok(())
    }

    /// Removes all entries here and from the other tabs.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn remove_all(&self, book: &Book) -> Result<(), Trouble> {
        book.clear().await?;
        self.notify(Notice::EntriesCleared);
        self.tell(&News::Cleared);
        Ok(())
    }

    // ---- what runs ----

    /// The runs under way.
    pub fn runs(&self) -> Vec<Rc<Run>> {
        self.runs.borrow().clone()
    }

    /// Notes that a run has begun.
    pub fn began(&self, run: Rc<Run>) {
        self.runs.borrow_mut().push(run);
    }

    /// Notes that a run has ended.
    pub fn ended(&self, run: &Rc<Run>) {
        self.runs
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, run));
    }

    /// Notes what stops the making of the large key.
    pub fn making(&self, stop: &Stop) {
        self.making.replace(stop.clone());
    }

    /// Leaves everything as it is that sends something.
    pub fn leave_all(&self) {
        for run in self.runs.take() {
            run.leave();
        }
        self.making.replace(Stop::new()).stop();
    }

    /// Lets go of everything that belongs to a key that is not here any more.
    fn let_go(&self) {
        self.leave_all();
        self.background.replace(Stop::new()).stop();
        self.log.take();
        self.door().tell(protocol::Door::Open);
        let post = self.post.clone();
        let notify = Rc::new(move |notice| post(FromWorker::Notice(notice)));
        let door = Door::new(self.identity.clone(), self.database.clone(), notify);
        self.door.replace(Rc::new(door));
        self.notify(Notice::EntriesCleared);
    }

    // ---- the key ----

    /// After the key has changed here: tells the page and the other tabs, and takes up its work.
    pub fn key_changed(self: &Rc<Self>) {
        self.let_go();
        self.tell(&News::Key);
        self.notify(Notice::Status(self.identity.status()));
        self.resume();
    }

    /// Goes on with what an earlier visit left.
    pub fn resume(self: &Rc<Self>) {
        if self.identity.held().is_ok() {
            spawn_local(begin::resume_all(self.clone()));
        }
    }

    // ---- the other tabs ----

    /// Tells the other tabs.
    pub(super) fn tell(&self, news: &News) {
        if let (Some(channel), Ok(news)) = (&self.channel, serde_wasm_bindgen::to_value(news)) {
            // The others read the database themselves when they are opened again.
            let _ = channel.post_message(&news);
        }
    }

    fn listen(self: &Rc<Self>) {
        let Some(channel) = &self.channel else { return };
        let context = self.clone();
        let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
            if let Ok(news) = serde_wasm_bindgen::from_value::<News>(message.data()) {
                spawn_local(context.clone().heard(news));
            }
        });
        channel.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
    }

    async fn heard(self: Rc<Self>, news: News) {
        match news {
            News::Key => {
                if self.identity.reload(&self.database).await {
                    self.let_go();
                    self.resume();
                }
                self.notify(Notice::Status(self.identity.status()));
            }
            News::Entry(id) => {
                if let Ok(book) = self.book()
                    && let Ok(Some(record)) = book.entry(id).await
                {
                    self.show(&record.entry);
                }
            }
            News::Removed(id) => {
                for run in self.runs() {
                    run.drop_entry(id);
                }
                self.notify(Notice::EntryRemoved(id));
            }
            News::LargeKey(parameters) => {
                if let Ok(services) = self.owned(self.background()) {
                    large_key::look_again(&self, &services, parameters);
                }
            }
            News::Cleared => {
                self.leave_all();
                self.notify(Notice::EntriesCleared);
            }
        }
    }
}
