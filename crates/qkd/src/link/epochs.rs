//! What a server remembers, so that nothing opens twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Hello, random};
use crate::key::KeyId;
use crate::message::{DecapsulationKey, EPOCH_BYTES, MessageError};

/// How long an epoch is given to clients; it is known for as long again.
const LASTS: Duration = Duration::from_secs(600);

/// The present epoch and the one before.
///
/// Security: a message names its epoch, and that goes into its key. While an epoch is known, so are
/// the ids of the keys that were used in it; afterwards nothing of it opens. So no clocks need to
/// agree, and a restart forgets nothing that still opens.
#[derive(Debug)]
pub(super) struct Epochs {
    lasts: Duration,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    current: Epoch,
    previous: Option<Epoch>,
}

#[derive(Debug)]
struct Epoch {
    id: [u8; EPOCH_BYTES],
    began: Instant,
    kem: Arc<DecapsulationKey>,
    used: HashSet<KeyId>,
}

impl Epochs {
    pub(super) fn new() -> Result<Self, MessageError> {
        Self::lasting(LASTS)
    }

    fn lasting(lasts: Duration) -> Result<Self, MessageError> {
        let current = Epoch::new()?;
        let known = Known {
            current,
            previous: None,
        };
        Ok(Self {
            lasts,
            known: Mutex::new(known),
        })
    }

    /// For a client's next messages.
    pub(super) fn hello(&self) -> Result<Hello, MessageError> {
        self.with(|known| Hello {
            epoch: known.current.id,
            encapsulation_key: known.current.kem.encapsulation_key().to_vec(),
        })
    }

    /// The ML-KEM key of an epoch, if it is known.
    pub(super) fn kem(
        &self,
        id: [u8; EPOCH_BYTES],
    ) -> Result<Option<Arc<DecapsulationKey>>, MessageError> {
        self.with(|known| known.find(id).map(|epoch| Arc::clone(&epoch.kem)))
    }

    /// Notes that a key was used; whether it was not before.
    pub(super) fn claim(&self, id: [u8; EPOCH_BYTES], key: KeyId) -> Result<bool, MessageError> {
        self.with(|known| {
            let is_used = known.all().any(|epoch| epoch.used.contains(&key));
            let epoch = known.find(id).filter(|_| !is_used);
            epoch.is_some_and(|epoch| epoch.used.insert(key))
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> Result<T, MessageError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let age = known.current.began.elapsed();
        if age >= self.lasts {
            let current = std::mem::replace(&mut known.current, Epoch::new()?);
            // Nobody asked for so long that it is over as well.
            known.previous = (age < 2 * self.lasts).then_some(current);
        }
        Ok(act(&mut known))
    }
}

impl Known {
    fn all(&mut self) -> impl Iterator<Item = &mut Epoch> {
        std::iter::once(&mut self.current).chain(self.previous.as_mut())
    }

    fn find(&mut self, id: [u8; EPOCH_BYTES]) -> Option<&mut Epoch> {
        self.all().find(|epoch| epoch.id == id)
    }
}

impl Epoch {
    fn new() -> Result<Self, MessageError> {
        Ok(Self {
            id: random().map_err(|_| MessageError::Crypto)?,
            began: Instant::now(),
            kem: Arc::new(DecapsulationKey::generate()?),
            used: HashSet::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_key_is_claimed_once_while_its_epoch_is_known_and_not_at_all_afterwards() {
        let lasts = Duration::from_millis(200);
        let epochs = Epochs::lasting(lasts).unwrap();
        let first = epochs.hello().unwrap().epoch;
        let key = |number| KeyId(Uuid::from_u128(number));
        assert!(epochs.claim(first, key(1)).unwrap());
        assert!(!epochs.claim(first, key(1)).unwrap());
        assert!(!epochs.claim([0; 16], key(2)).unwrap());
        std::thread::sleep(lasts);
        let second = epochs.hello().unwrap().epoch;
        assert_ne!(first, second);
        assert!(
            !epochs.claim(second, key(1)).unwrap(),
            "used in the epoch before"
        );
        assert!(epochs.claim(first, key(2)).unwrap());
        assert!(epochs.kem(first).unwrap().is_some());
        std::thread::sleep(lasts);
        assert!(epochs.kem(first).unwrap().is_none());
        assert!(!epochs.claim(first, key(3)).unwrap());
        std::thread::sleep(2 * lasts);
        assert!(epochs.kem(second).unwrap().is_none());
    }
}
