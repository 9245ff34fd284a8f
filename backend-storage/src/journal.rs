//! What goes into the logs of vaults, and when.
//!
//! - What changes something is in the log before it is answered: an acknowledged change is never
//!   without its entry. The change itself comes first: after a crash between the two, a change that
//!   nobody was told of can be without its entry. If the entry cannot be written, the answer is that
//!   failure; asking again logs it again.
//! - What only reads, and what was refused, is gathered in memory and written within
//!   `audit.reads_ms` and `audit.refusals_ms`, or with the next change of the vault in this process,
//!   before its owner reads the log here, or when the service stops. A crash loses what is gathered.
//!   The same deed by the same caller within that time is one entry that says how often, so that
//!   refusals cannot push out what the log keeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use darkroom_api::audit::{Act, Deed, Outcome, What, Who};
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::chain::{Chain, Item, log_key};
use crate::clock::now_ms;
use crate::error::{Error, causes};
use crate::store::Store;
use crate::vaults::{OpenVault, Vaults};

/// What is gathered at most before whoever reads waits until it is written.
const GATHERED_MAX: usize = 4096;
/// What is kept at most while the store fails; beyond it the oldest is given up.
const KEPT_MAX: usize = 16 * GATHERED_MAX;
/// How long the end of a chain is remembered that nobody writes to.
const IDLE: Duration = Duration::from_secs(3600);

/// How the logs of vaults are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Entries of a vault that are kept; older ones are deleted by the sweep.
    pub entries: u64,
    /// How long entries are kept; 0 is as long as there are not too many.
    pub keep_ms: u64,
    /// How long readings are gathered.
    pub reads_ms: u64,
    /// How long refusals are gathered.
    pub refusals_ms: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self {
            entries: 100_000,
            keep_ms: 0,
            reads_ms: 1_000,
            refusals_ms: 60_000,
        }
    }
}

/// The logs of all vaults.
pub(crate) struct Journal {
    store: Store,
    vaults: Vaults,
    settings: Audit,
    /// The threads that serve requests each have a runtime of their own, which ends before the last
    /// entries are written.
    runtime: Handle,
    books: Mutex<HashMap<OpenVault, Arc<Book>>>,
}

/// What is to be written into the log of one vault.
struct Book {
    vault: OpenVault,
    gathered: Mutex<Gathered>,
    chain: tokio::sync::Mutex<Chain>,
}

struct Gathered {
    items: Vec<Item>,
    /// Where among the items a reading is.
    readings: HashMap<Deed, usize>,
    refusals: HashMap<Deed, Item>,
    waiting: Vec<oneshot::Sender<bool>>,
    is_read_flush_due: bool,
    is_refusal_flush_due: bool,
    used: Instant,
}

/// Whether refusals are written too, before their time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flush {
    All,
    WithoutRefusals,
}

impl Journal {
    /// Must be called within the runtime that goes on to the service's end.
    pub(crate) fn new(store: Store, vaults: Vaults, settings: Audit) -> Self {
        Self {
            store,
            vaults,
            settings,
            runtime: Handle::current(),
            books: Mutex::default(),
        }
    }

    /// Writes down a change; it is in the log when this returns.
    pub(crate) async fn change(
        self: &Arc<Self>,
        vault: OpenVault,
        deed: Deed,
    ) -> Result<(), Error> {
        let book = self.book(vault);
        let (done, written) = oneshot::channel();
        {
            let mut gathered = book.lock();
            let time_ms = now_ms()?;
            gathered.items.push(Item {
                time_ms,
                deed,
                times: 1,
            });
            gathered.waiting.push(done);
        }
        // Goes on to its end even if the client goes away.
        let journal = Arc::clone(self);
        let flush = async move { journal.flush(&book, Flush::WithoutRefusals).await };
        let flush = self.runtime.spawn(flush);
        flush.await.map_err(|_| Error::Task)??;
        // Whoever took this entry along told how it went, if it was another one.
        match written.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Error::LogBusy),
        }
    }

    /// Writes down a reading or a refusal, soon. The caller may wait a little where that is much.
    pub(crate) async fn note(self: &Arc<Self>, vault: OpenVault, deed: Deed) {
        if self.gather(vault, deed) {
            let (journal, book) = (Arc::clone(self), self.book(vault));
            let flush = async move { journal.flush(&book, Flush::All).await };
            if let Ok(Err(error)) = self.runtime.spawn(flush).await {
                tracing::warn!(error = causes(&error), "a log could not be written");
            }
        }
    }

    /// Gathers an entry. Whether there are so many that they should be written now.
    pub(crate) fn gather(self: &Arc<Self>, vault: OpenVault, deed: Deed) -> bool {
        let Ok(time_ms) = now_ms() else {
            return false;
        };
        let book = self.book(vault);
        let mut gathered = book.lock();
        let item = |deed| Item {
            time_ms,
            deed,
            times: 1,
        };
        if matches!(deed.outcome, Outcome::Refused(_)) {
            let refusal = gathered.refusals.entry(deed.clone());
            refusal
                .and_modify(|item| item.times += 1)
                .or_insert_with(|| item(deed));
            if !std::mem::replace(&mut gathered.is_refusal_flush_due, true) {
                self.flush_later(&book, self.settings.refusals_ms, Flush::All);
            }
        } else {
            let at = gathered.items.len();
            let known = *gathered.readings.entry(deed.clone()).or_insert(at);
            match gathered.items.get_mut(known) {
                Some(item) => item.times += 1,
                None => gathered.items.push(item(deed)),
            }
            if !std::mem::replace(&mut gathered.is_read_flush_due, true) {
                self.flush_later(&book, self.settings.reads_ms, Flush::WithoutRefusals);
            }
        }
        gathered.items.len() + gathered.refusals.len() >= GATHERED_MAX
    }

    fn flush_later(self: &Arc<Self>, book: &Arc<Book>, wait_ms: u64, flush: Flush) {
        let (journal, book) = (Arc::clone(self), Arc::clone(book));
        self.runtime.spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            if let Err(error) = journal.flush(&book, flush).await {
                tracing::warn!(error = causes(&error), "a log could not be written");
            }
        });
    }

    /// Writes what is gathered of a vault here.
    pub(crate) async fn settle(&self, vault: OpenVault) -> Result<(), Error> {
        self.flush(&self.book(vault), Flush::All).await
    }

    /// Writes what is gathered of all vaults here.
    pub(crate) async fn settle_all(&self) {
        let books: Vec<_> = self.books().values().cloned().collect();
        let flushes = books.iter().map(|book| self.flush(book, Flush::All));
        for outcome in join_all(flushes).await {
            if let Err(error) = outcome {
                tracing::warn!(error = causes(&error), "a log could not be written");
            }
        }
    }

    /// Writes what is gathered: all that came until the chain is free goes into one segment.
    async fn flush(&self, book: &Book, flush: Flush) -> Result<(), Error> {
        let mut chain = book.chain.lock().await;
        let (items, waiting) = book.lock().take(flush);
        let outcome = if items.is_empty() {
            Ok(())
        } else {
            self.write(book.vault, &mut chain, &items).await
        };
        if outcome.is_err() {
            book.lock().give_back(items);
        }
        for waiting in waiting {
            // Who does not wait any more went away.
            let _ = waiting.send(outcome.is_ok());
        }
        outcome
    }

    /// A vault's log ends with it, and nothing comes back after its deletion.
    async fn write(
        &self,
        vault: OpenVault,
        chain: &mut Chain,
        items: &[Item],
    ) -> Result<(), Error> {
        if !self.vaults.is_open(vault).await? {
            return Ok(());
        }
        chain.append(items).await?;
        if !self.vaults.is_open(vault).await? {
            self.store.delete_all(&log_key(vault)).await?;
        }
        Ok(())
    }

    fn book(&self, vault: OpenVault) -> Arc<Book> {
        let mut books = self.books();
        let book = books.entry(vault).or_insert_with(|| {
            Arc::new(Book {
                vault,
                gathered: Mutex::new(Gathered::new()),
                chain: tokio::sync::Mutex::new(Chain::new(self.store.clone(), vault)),
            })
        });
        book.lock().used = Instant::now();
        Arc::clone(book)
    }

    /// Forgets vaults of which nothing is gathered and that nobody uses now.
    pub(crate) fn forget_idle(&self) {
        self.books().retain(|_, book| {
            let gathered = book.lock();
            let is_idle = gathered.items.is_empty()
                && gathered.refusals.is_empty()
                && gathered.used.elapsed() > IDLE;
            Arc::strong_count(book) > 1 || !is_idle
        });
    }

    fn books(&self) -> MutexGuard<'_, HashMap<OpenVault, Arc<Book>>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    fn new() -> Self {
        Self {
            items: Vec::new(),
            readings: HashMap::new(),
            refusals: HashMap::new(),
            waiting: Vec::new(),
            is_read_flush_due: false,
            is_refusal_flush_due: false,
            used: Instant::now(),
        }
    }

    fn take(&mut self, flush: Flush) -> (Vec<Item>, Vec<oneshot::Sender<bool>>) {
        let mut items = std::mem::take(&mut self.items);
        self.readings.clear();
        self.is_read_flush_due = false;
        if flush == Flush::All {
            let mut refusals: Vec<_> = self.refusals.drain().map(|(_, item)| item).collect();
            refusals.sort_by_key(|item| item.time_ms);
            items.extend(refusals);
            self.is_refusal_flush_due = false;
        }
        (items, std::mem::take(&mut self.waiting))
    }

    fn give_back(&mut self, items: Vec<Item>) {
        let later = std::mem::replace(&mut self.items, items);
        self.items.extend(later);
        // Their places have changed: the same again is another entry.
        self.readings.clear();
        let over = self.items.len().saturating_sub(KEPT_MAX);
        if over > 0 {
            tracing::error!(entries = over, "entries of a log are given up");
            self.items.drain(..over);
        }
    }
}

/// Something that is being done, until it is known how it went. Dropped before that, the log says
/// that it broke off.
pub(crate) struct Doing {
    pub(crate) vault: OpenVault,
    journal: Arc<Journal>,
    deed: Option<Deed>,
}

impl Doing {
    pub(crate) fn new(
        journal: &Arc<Journal>,
        vault: OpenVault,
        who: Who,
        act: Act,
        what: Option<What>,
    ) -> Self {
        Self {
            vault,
            journal: Arc::clone(journal),
            deed: Some(Deed {
                who,
                act,
                what,
                outcome: Outcome::BrokenOff,
            }),
        }
    }

    /// Says to what it was done, where that is known late.
    pub(crate) fn say(&mut self, what: What) {
        if let Some(deed) = &mut self.deed {
            deed.what = Some(what);
        }
    }

    /// A change went like this; done, it is in the log when this returns.
    pub(crate) async fn changed<T>(mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        let Some(deed) = self.told(&outcome) else {
            return outcome;
        };
        match outcome {
            Ok(value) => {
                let logged = self.journal.change(self.vault, deed).await;
                logged.map_err(|error| Error::NotLogged(Box::new(error)))?;
                Ok(value)
            }
            Err(error) => {
                self.journal.note(self.vault, deed).await;
                Err(error)
            }
        }
    }

    /// A reading went like this; of a long one, it began like this.
    pub(crate) async fn looked<T>(mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Some(deed) = self.told(&outcome) {
            self.journal.note(self.vault, deed).await;
        }
        outcome
    }

    fn told<T>(&mut self, outcome: &Result<T, Error>) -> Option<Deed> {
        let outcome = match outcome {
            Ok(_) => Outcome::Done,
            Err(error) => Outcome::Refused(error.problem_type()),
        };
        self.deed.take().map(|deed| Deed { outcome, ..deed })
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some(deed) = self.deed.take() {
            self.journal.gather(self.vault, deed);
        }
    }
}
