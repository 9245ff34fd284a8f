//! What is where, and who has it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{KeyName, Outcome, Shared};

/// All slots, and the bytes that are taken: by keys that are here, and by keys that are coming.
#[derive(Debug)]
pub(super) struct Slots<K> {
    slots: HashMap<KeyName, Slot<K>>,
    bytes: u64,
    /// Counts claims: the larger, the later.
    claims: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Slot<K> {
    /// Tells it from an earlier slot of the same name.
    number: u64,
    /// Those who wait for the key or use it.
    claims: usize,
    claimed_last: u64,
    content: Content<K>,
}

#[derive(Debug)]
enum Content<K> {
    Coming {
        told: watch::Receiver<Outcome<K>>,
        task: Option<AbortHandle>,
    },
    Here {
        key: Arc<K>,
        bytes: u64,
        since: Instant,
        /// Somebody waits for its room: nobody else gets it.
        leaving: bool,
    },
}

/// A slot, for as long as it is the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    name: KeyName,
    number: u64,
}

/// One who waits for a key or uses it. On drop he does no more.
#[derive(Debug)]
pub(super) struct Claim<K: Send + Sync + 'static> {
    shared: Arc<Shared<K>>,
    ticket: Ticket,
}

enum Unclaimed {
    Held,
    Free(Option<AbortHandle>),
}

/// How a key stands for one who asks.
#[derive(Debug)]
pub(super) enum Standing<K: Send + Sync + 'static> {
    Here(Arc<K>, Claim<K>),
    /// It makes room; ask again after a change.
    Leaving,
    Coming(Claim<K>, watch::Receiver<Outcome<K>>),
    /// He who asked has to bring it.
    Absent(Claim<K>, watch::Sender<Outcome<K>>),
}

impl<K> Default for Slots<K> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            bytes: 0,
            claims: 0,
            evicted: 0,
        }
    }
}

impl<K: Send + Sync + 'static> Slots<K> {
    pub(super) fn claim(&mut self, shared: &Arc<Shared<K>>, name: KeyName) -> Standing<K> {
        self.claims += 1;
        let now = self.claims;
        let claim = |number| Claim {
            shared: Arc::clone(shared),
            ticket: Ticket { name, number },
        };
        let Some(slot) = self.slots.get_mut(&name) else {
            let (tell, told) = watch::channel(None);
            let slot = Slot {
                number: now,
                claims: 1,
                claimed_last: now,
                content: Content::Coming { told, task: None },
            };
            self.slots.insert(name, slot);
            return Standing::Absent(claim(now), tell);
        };
        if matches!(slot.content, Content::Here { leaving: true, .. }) {
            return Standing::Leaving;
        }
        slot.claims += 1;
        slot.claimed_last = now;
        match &slot.content {
            Content::Here { key, .. } => Standing::Here(Arc::clone(key), claim(slot.number)),
            Content::Coming { told, .. } => Standing::Coming(claim(slot.number), told.clone()),
        }
    }

    /// Notes what loads the key of a slot.
    pub(super) fn comes_by(&mut self, ticket: Ticket, by: AbortHandle) {
        if let Some(Slot { content, .. }) = self.slot(ticket)
            && let Content::Coming { task, .. } = content
        {
            *task = Some(by);
        }
    }

    /// Puts a key into its slot.
    pub(super) fn arrived(&mut self, ticket: Ticket, key: Arc<K>, bytes: u64, since: Instant) {
        match self.slot(ticket) {
            Some(slot) => {
                slot.content = Content::Here {
                    key,
                    bytes,
                    since,
                    leaving: false,
                }
            }
            None => self.bytes -= bytes,
        }
    }

    /// Forgets a slot whose key does not come.
    pub(super) fn failed(&mut self, ticket: Ticket) {
        if self.slot(ticket).is_some() {
            self.slots.remove(&ticket.name);
        }
    }

    /// Takes bytes, if need be from keys that nobody uses. False if there are not enough.
    pub(super) fn take_bytes(&mut self, bytes: u64, bytes_max: u64) -> bool {
        while self.bytes.saturating_add(bytes) > bytes_max {
            let unused = self.slots.iter().filter(|(_, slot)| slot.claims == 0);
            let oldest = unused.min_by_key(|(_, slot)| slot.claimed_last);
            let Some(name) = oldest.map(|(name, _)| *name) else {
                return false;
            };
            self.remove(name);
            self.evicted += 1;
        }
        self.bytes += bytes;
        for slot in self.slots.values_mut() {
            if let Content::Here { leaving, .. } = &mut slot.content {
                *leaving = false;
            }
        }
        true
    }

    /// Keys that made room for others since this was asked last.
    pub(super) fn evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    pub(super) fn give_bytes(&mut self, bytes: u64) {
        self.bytes -= bytes;
    }

    /// Has the key leave that is here longest, if it has been for long enough and none is leaving.
    /// Returns when that will be, if it is not now.
    pub(super) fn ask_to_leave(&mut self, now: Instant, residence: Duration) -> Option<Instant> {
        let here = self
            .slots
            .values_mut()
            .filter_map(|slot| match &mut slot.content {
                Content::Here { since, leaving, .. } => Some((*since, leaving)),
                Content::Coming { .. } => None,
            });
        let mut longest: Option<(Instant, &mut bool)> = None;
        for (since, leaving) in here {
            if *leaving {
                return None;
            }
            if longest.as_ref().is_none_or(|(other, _)| since < *other) {
                longest = Some((since, leaving));
            }
        }
        let (since, leaving) = longest?;
        let from = since + residence;
        if from > now {
            return Some(from);
        }
        *leaving = true;
        None
    }

    pub(super) fn names(&self) -> Vec<KeyName> {
        self.slots.keys().copied().collect()
    }

    /// Keys that are here, and all bytes that are taken.
    pub(super) fn in_memory(&self) -> (u64, u64) {
        let here = |slot: &&Slot<K>| matches!(slot.content, Content::Here { .. });
        (self.slots.values().filter(here).count() as u64, self.bytes)
    }

    /// One claim less. If it was the last, others may have the key's room, and what was to bring the
    /// key is to be ended.
    fn unclaim(&mut self, ticket: Ticket) -> Unclaimed {
        let Some(slot) = self.slot(ticket) else {
            return Unclaimed::Held;
        };
        slot.claims -= 1;
        if slot.claims > 0 {
            return Unclaimed::Held;
        }
        if let Content::Coming { task, .. } = &mut slot.content {
            let task = task.take();
            self.slots.remove(&ticket.name);
            return Unclaimed::Free(task);
        }
        Unclaimed::Free(None)
    }

    fn remove(&mut self, name: KeyName) {
        if let Some(Slot {
            content: Content::Here { bytes, .. },
            ..
        }) = self.slots.remove(&name)
        {
            self.bytes -= bytes;
        }
    }

    fn slot(&mut self, ticket: Ticket) -> Option<&mut Slot<K>> {
        let slot = self.slots.get_mut(&ticket.name)?;
        (slot.number == ticket.number).then_some(slot)
    }
}

impl<K: Send + Sync + 'static> Claim<K> {
    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }
}

impl<K: Send + Sync + 'static> Drop for Claim<K> {
    fn drop(&mut self) {
        let unclaimed = self.shared.slots().unclaim(self.ticket);
        if let Unclaimed::Free(task) = unclaimed {
            if let Some(task) = task {
                task.abort();
            }
            self.shared.tell_changed();
        }
    }
}
