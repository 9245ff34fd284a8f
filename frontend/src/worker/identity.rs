//! The key of this browser: made here, wrapped under a non-extractable key of the browser's own, kept
//! in its database.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use darkroom_api::ids::{KeyId, VaultId};
use darkroom_api::token::Token;
use darkroom_fhe::keys::ClientKey;

use super::database::{Database, Store};
use super::{backup, scope, trouble, wrap};
use crate::protocol::{Keeping, KeyInfo, Status, Trouble};

const RECORD: &str = "master";

/// A key in use.
pub struct Held {
    pub(super) key: ClientKey,
    pub(super) info: KeyInfo,
    /// The generation of the vault's token, as far as it is known here.
    generation: Cell<u32>,
}

impl Held {
    /// The key's public name.
    pub fn id(&self) -> KeyId {
        self.info.id
    }

    /// Its vault in storage.
    pub fn vault(&self) -> VaultId {
        VaultId(self.key.vault_id())
    }

    /// The generation of the vault's token, as far as it is known here.
    pub(super) fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// Notes a generation, for whoever holds this.
    pub(super) fn set_generation(&self, generation: u32) {
        self.generation.set(generation);
    }

    /// What opens the vault, if this is the present generation.
    pub(super) fn vault_token_of(&self, generation: u32) -> Token {
        Token::new(self.key.vault_token(generation))
    }

    /// What owns its jobs in compute.
    pub(super) fn compute_token(&self) -> Token {
        Token::new(self.key.compute_token())
    }
}

/// The key of this browser, or none.
pub struct Identity {
    held: RefCell<Option<Rc<Held>>>,
    keeping: Cell<Keeping>,
    locked: Cell<bool>,
}

impl Identity {
    /// What the database holds.
    pub async fn load(database: &Database) -> Self {
        let identity = Self {
            held: RefCell::new(None),
            keeping: Cell::new(Keeping::ThisVisit),
            locked: Cell::new(false),
        };
        identity.reload(database).await;
        identity
    }

    /// Reads the database again, because another tab has changed it. Says whether the key is
    /// another one now, or gone.
    pub async fn reload(&self, database: &Database) -> bool {
        let before = self.held.borrow().as_ref().map(|held| held.id());
        if database.lasts() && scope::subtle().is_some() {
            let record = database.get(Store::Key, RECORD).await.ok().flatten();
            self.locked.set(false);
            match record {
                None => *self.held.borrow_mut() = None,
                Some(record) => match wrap::unwrap(&record).await {
                    Some(held) => *self.held.borrow_mut() = Some(Rc::new(held)),
                    None => {
                        self.locked.set(true);
                        *self.held.borrow_mut() = None;
                    }
                },
            }
            self.keeping.set(Keeping::BestEffort);
        }
        self.ask_keeping().await;
        let now = self.held.borrow().as_ref().map(|held| held.id());
        before != now
    }

    /// Asks the browser again what it has promised.
    pub async fn ask_keeping(&self) {
        if self.keeping.get() != Keeping::ThisVisit {
            let persistent = scope::persisted().await;
            self.keeping.set(if persistent {
                Keeping::Persistent
            } else {
                Keeping::BestEffort
            });
        }
    }

    /// What may be shown.
    pub fn status(&self) -> Status {
        Status {
            key: self.held.borrow().as_ref().map(|held| held.info.clone()),
            keeping: self.keeping.get(),
            locked: self.locked.get(),
        }
    }

    /// The key.
    ///
    /// # Errors
    /// There is none, or it cannot be unlocked.
    pub fn held(&self) -> Result<Rc<Held>, Trouble> {
        let held = self.held.borrow().clone();
        held.ok_or_else(|| {
            if self.locked.get() {
                trouble::locked()
            } else {
                trouble::no_key()
            }
        })
    }

    /// Keeps a key. If another tab was quicker, its key is taken over and this one thrown away.
    ///
    /// # Errors
    /// The browser's database is full.
    pub async fn keep(
        &self,
        database: &Database,
        key: ClientKey,
        backed_up: bool,
    ) -> Result<(), Trouble> {
        let held = hold(key, scope::now_ms(), backed_up, 0);
        let kept = database.lasts() && self.write(database, &held, false).await?;
        if kept {
            self.reload(database).await;
        } else {
            self.keeping.set(Keeping::ThisVisit);
            self.locked.set(false);
            *self.held.borrow_mut() = Some(Rc::new(held));
        }
        Ok(())
    }

    /// Notes that the person has a backup.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn mark_backed_up(&self, database: &Database) -> Result<(), Trouble> {
        let before = self.held()?;
        if before.info.backed_up {
            return Ok(());
        }
        let (created_ms, generation) = (before.info.created_ms, before.generation());
        let held = hold(before.key.clone(), created_ms, true, generation);
        if self.keeping.get() != Keeping::ThisVisit {
            self.write(database, &held, true).await?;
        }
        *self.held.borrow_mut() = Some(Rc::new(held));
        Ok(())
    }

    /// Keeps the generation of the vault's token beside this key, if it is still the one.
    ///
    /// # Errors
    /// The browser's database is full.
    pub async fn keep_generation(
        &self,
        database: &Database,
        key: KeyId,
        generation: u32,
    ) -> Result<(), Trouble> {
        let held = self.held.borrow().clone();
        let Some(held) = held.filter(|held| held.id() == key) else {
            return Ok(());
        };
        held.set_generation(generation);
        if self.keeping.get() == Keeping::ThisVisit {
            return Ok(());
        }
        // Another tab may have put another key there a moment ago: that one stays.
        let there = match database.get(Store::Key, RECORD).await? {
            Some(record) => wrap::unwrap(&record).await,
            None => None,
        };
        if there.is_some_and(|there| there.id() == key) {
            self.write(database, &held, true).await?;
        }
        Ok(())
    }

    /// Wipes the key.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn forget(&self, database: &Database) -> Result<(), Trouble> {
        database
            .clear(&[Store::Key, Store::Entries, Store::Jobs])
            .await?;
        *self.held.borrow_mut() = None;
        self.locked.set(false);
        Ok(())
    }

    /// Says whether the database holds a key now, this one or another tab's.
    async fn write(
        &self,
        database: &Database,
        held: &Held,
        replace: bool,
    ) -> Result<bool, Trouble> {
        // A browser may refuse to wrap, or to store what wraps (private windows): keep it in memory.
        let Some(record) = wrap::wrap(held).await else {
            return Ok(false);
        };
        let written = if replace {
            database.put(Store::Key, RECORD, &record).await
        } else {
            database.add(Store::Key, RECORD, &record).await.map(drop)
        };
        match written {
            Ok(()) => Ok(true),
            Err(trouble) if trouble.kind == crate::protocol::TroubleKind::Full => Err(trouble),
            Err(_) => Ok(false),
        }
    }
}

pub(super) fn hold(key: ClientKey, created_ms: u64, backed_up: bool, generation: u32) -> Held {
    let id = key.key_id();
    let info = KeyInfo {
        id: KeyId(id),
        fingerprint: backup::fingerprint(id),
        created_ms,
        backed_up,
    };
    Held {
        key,
        info,
        generation: Cell::new(generation),
    }
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use js_sys::{Reflect, Uint8Array};
    use wasm_bindgen::JsCast;
    use wasm_bindgen_test::wasm_bindgen_test;
    use web_sys::CryptoKey;

    use super::*;

    fn key(byte: u8) -> ClientKey {
        ClientKey::from_master([byte; 32])
    }

    // One test: all of it works on the one record of this browser.
    #[wasm_bindgen_test]
    async fn a_key_is_kept_found_again_and_forgotten() {
        let database = Database::open().await;
        assert!(database.lasts());
        let first = Identity::load(&database).await;
        first.forget(&database).await.unwrap();
        assert!(first.held().is_err());

        first.keep(&database, key(1), false).await.unwrap();
        let status = first.status();
        assert_ne!(status.keeping, Keeping::ThisVisit);
        assert!(!status.key.clone().unwrap().backed_up);

        // The next visit, and another tab that tries to make a second key.
        let second = Identity::load(&Database::open().await).await;
        assert_eq!(second.status().key, status.key);
        second.keep(&database, key(2), false).await.unwrap();
        assert_eq!(second.held().unwrap().key.danger_master(), &[1; 32]);

        // The generation of its token is kept beside it, whoever writes next.
        let id = KeyId(key(1).key_id());
        first.keep_generation(&database, id, 3).await.unwrap();
        let other = KeyId(key(2).key_id());
        first.keep_generation(&database, other, 9).await.unwrap();
        first.mark_backed_up(&database).await.unwrap();
        second.reload(&database).await;
        assert!(second.status().key.unwrap().backed_up);
        assert_eq!(second.held().unwrap().generation(), 3);

        // Nothing that the database holds contains the master, and the wrapping key stays inside.
        let record = database.get(Store::Key, RECORD).await.unwrap().unwrap();
        let sealed = Reflect::get(&record, &"sealed".into()).unwrap();
        let sealed = Uint8Array::new(&sealed).to_vec();
        assert!(!sealed.windows(8).any(|bytes| bytes == [1; 8]));
        let wrapping: CryptoKey = Reflect::get(&record, &"wrapping".into())
            .unwrap()
            .dyn_into()
            .unwrap();
        assert!(!wrapping.extractable());

        // A damaged record is told from none.
        Reflect::set(&record, &"sealed".into(), &Uint8Array::new_with_length(48)).unwrap();
        database.put(Store::Key, RECORD, &record).await.unwrap();
        assert!(second.reload(&database).await);
        assert!(second.status().locked);

        second.forget(&database).await.unwrap();
        assert!(first.reload(&database).await);
        assert_eq!(first.status().key, None);
        assert!(database.get(Store::Key, RECORD).await.unwrap().is_none());
    }

    #[wasm_bindgen_test]
    async fn without_a_database_a_key_lasts_for_this_visit() {
        let database = Database::memory();
        let identity = Identity::load(&database).await;
        identity.keep(&database, key(3), true).await.unwrap();
        assert_eq!(identity.status().keeping, Keeping::ThisVisit);
        assert_eq!(identity.held().unwrap().key.danger_master(), &[3; 32]);
    }
}
