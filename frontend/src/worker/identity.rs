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

    /// What opens the vault.
    pub(super) fn vault_token(&self) -> Token {
        Token::new(self.key.vault_token(0))
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
        let held = hold(key, scope::now_ms(), backed_up);
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
        let held = hold(before.key.clone(), before.info.created_ms, true);
        if self.keeping.get() != Keeping::ThisVisit {
            self.write(database, &held, true).await?;
        }
        *self.held.borrow_mut() = Some(Rc::new(held));
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

pub(super) fn hold(key: ClientKey, created_ms: u64, backed_up: bool) -> Held {
    let id = key.key_id();
    let info = KeyInfo {
        id: KeyId(id),
        fingerprint: backup::fingerprint(id),
        created_ms,
        backed_up,
    };
    Held { key, info }
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

        first.mark_backed_up(&database).await.unwrap();
        second.reload(&database).await;
        assert!(second.status().key.unwrap().backed_up);

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
