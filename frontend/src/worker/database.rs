//! What this browser keeps: a few stores of records by name, in IndexedDB, or in memory for this
//! visit where the browser has none to give.

use std::cell::RefCell;
use std::collections::BTreeMap;

use idb::{
    DatabaseEvent, Factory, KeyPath, ObjectStoreParams, Query, Transaction, TransactionMode,
};
use wasm_bindgen::{JsCast, JsValue};

use super::trouble;
use crate::protocol::Trouble;

const NAME: &str = "darkroom";
const VERSION: u32 = 1;

/// The stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Store {
    /// The wrapped key, under the name `master`.
    Key,
    /// Sealed entries by id.
    Entries,
    /// Sealed jobs that are not over, by idempotency key.
    Jobs,
}

impl Store {
    const ALL: [Self; 3] = [Self::Key, Self::Entries, Self::Jobs];

    fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Entries => "entries",
            Self::Jobs => "jobs",
        }
    }
}

/// The browser's database, or memory in its place.
pub struct Database(Backing);

enum Backing {
    Browser(idb::Database),
    Memory(RefCell<BTreeMap<(Store, String), JsValue>>),
}

impl Database {
    /// The browser's, or memory if it refuses.
    pub async fn open() -> Self {
        match open_browser(NAME).await {
            Ok(database) => Self(Backing::Browser(database)),
            Err(_) => Self::memory(),
        }
    }

    /// Memory, for this visit.
    pub fn memory() -> Self {
        Self(Backing::Memory(RefCell::default()))
    }

    /// Whether records outlive this visit.
    pub fn lasts(&self) -> bool {
        matches!(self.0, Backing::Browser(_))
    }

    /// The record of this name.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn get(&self, store: Store, name: &str) -> Result<Option<JsValue>, Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                Ok(records.borrow().get(&(store, name.to_owned())).cloned())
            }
            Backing::Browser(database) => {
                let read = async {
                    let transaction = begin(database, &[store], TransactionMode::ReadOnly)?;
                    let store = transaction.object_store(store.name())?;
                    store.get(JsValue::from_str(name))?.await
                };
                read.await.map_err(|error| explain(&error))
            }
        }
    }

    /// All records with their names.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn all(&self, store: Store) -> Result<Vec<(String, JsValue)>, Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                let records = records.borrow();
                let of_store = records.iter().filter(|((s, _), _)| *s == store);
                Ok(of_store
                    .map(|((_, name), value)| (name.clone(), value.clone()))
                    .collect())
            }
            Backing::Browser(database) => {
                let read = async {
                    let transaction = begin(database, &[store], TransactionMode::ReadOnly)?;
                    let store = transaction.object_store(store.name())?;
                    let names = store.get_all_keys(None::<Query>, None)?;
                    let values = store.get_all(None, None)?;
                    let (names, values) = (names.await?, values.await?);
                    let names = names
                        .into_iter()
                        .map(|name| name.as_string().unwrap_or_default());
                    Ok::<_, idb::Error>(names.zip(values).collect())
                };
                read.await.map_err(|error| explain(&error))
            }
        }
    }

    /// Writes a record, in place of an older one.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn put(&self, store: Store, name: &str, value: &JsValue) -> Result<(), Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                records
                    .borrow_mut()
                    .insert((store, name.to_owned()), value.clone());
                Ok(())
            }
            Backing::Browser(database) => {
                let write = async {
                    let transaction = begin(database, &[store], TransactionMode::ReadWrite)?;
                    let objects = transaction.object_store(store.name())?;
                    objects.put(value, Some(&JsValue::from_str(name)))?.await?;
                    finish(transaction).await
                };
                write.await.map_err(|error| explain(&error))
            }
        }
    }

    /// Writes a record unless there is one of this name, in one step also among tabs. Says whether
    /// it did.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn add(&self, store: Store, name: &str, value: &JsValue) -> Result<bool, Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                let mut records = records.borrow_mut();
                let place = records.entry((store, name.to_owned()));
                let vacant = matches!(place, std::collections::btree_map::Entry::Vacant(_));
                place.or_insert_with(|| value.clone());
                Ok(vacant)
            }
            Backing::Browser(database) => {
                let write = async {
                    let transaction = begin(database, &[store], TransactionMode::ReadWrite)?;
                    let objects = transaction.object_store(store.name())?;
                    let name = JsValue::from_str(name);
                    // Read and write share the transaction: no other tab comes in between.
                    if objects.get(name.clone())?.await?.is_some() {
                        return Ok(false);
                    }
                    objects.add(value, Some(&name))?.await?;
                    finish(transaction).await?;
                    Ok(true)
                };
                write.await.map_err(|error: idb::Error| explain(&error))
            }
        }
    }

    /// Deletes a record, if there is one.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn delete(&self, store: Store, name: &str) -> Result<(), Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                records.borrow_mut().remove(&(store, name.to_owned()));
                Ok(())
            }
            Backing::Browser(database) => {
                let write = async {
                    let transaction = begin(database, &[store], TransactionMode::ReadWrite)?;
                    let objects = transaction.object_store(store.name())?;
                    objects.delete(JsValue::from_str(name))?.await?;
                    finish(transaction).await
                };
                write.await.map_err(|error| explain(&error))
            }
        }
    }

    /// Empties stores, all or none of them.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn clear(&self, stores: &[Store]) -> Result<(), Trouble> {
        match &self.0 {
            Backing::Memory(records) => {
                records
                    .borrow_mut()
                    .retain(|(store, _), _| !stores.contains(store));
                Ok(())
            }
            Backing::Browser(database) => {
                let write = async {
                    let transaction = begin(database, stores, TransactionMode::ReadWrite)?;
                    for store in stores {
                        transaction.object_store(store.name())?.clear()?.await?;
                    }
                    finish(transaction).await
                };
                write.await.map_err(|error| explain(&error))
            }
        }
    }
}

async fn open_browser(name: &str) -> Result<idb::Database, idb::Error> {
    let mut request = Factory::new()?.open(name, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        // A failure here surfaces as a store that cannot be found, and then as memory.
        if let Ok(database) = event.database() {
            for store in Store::ALL {
                let mut parameters = ObjectStoreParams::new();
                parameters.key_path(None::<KeyPath>);
                let _ = database.create_object_store(store.name(), parameters);
            }
        }
    });
    let mut database = request.await?;
    database.on_version_change(|event| {
        // A newer release in another tab wants to change the stores: make room.
        if let Ok(database) = event.database() {
            database.close();
        }
    });
    let names = database.store_names();
    if Store::ALL
        .iter()
        .all(|store| names.iter().any(|name| name == store.name()))
    {
        Ok(database)
    } else {
        Err(idb::Error::EventTargetNotFound)
    }
}

fn begin(
    database: &idb::Database,
    stores: &[Store],
    mode: TransactionMode,
) -> Result<Transaction, idb::Error> {
    let names: Vec<&str> = stores.iter().map(|store| store.name()).collect();
    database.transaction(&names, mode)
}

/// Waits until the browser has written it.
async fn finish(transaction: Transaction) -> Result<(), idb::Error> {
    if transaction.await?.is_committed() {
        Ok(())
    } else {
        Err(idb::Error::DomExceptionNotFound)
    }
}

fn explain(error: &idb::Error) -> Trouble {
    if is_quota(error) {
        trouble::browser_full()
    } else {
        trouble::browser("This browser's database does not work.")
    }
}

fn is_quota(error: &idb::Error) -> bool {
    let exception = match error {
        idb::Error::DomException(exception) => Some(exception.clone()),
        idb::Error::AddFailed(value) | idb::Error::UpdateFailed(value) => {
            value.clone().dyn_into().ok()
        }
        _ => None,
    };
    exception.is_some_and(|e: web_sys::DomException| e.name() == "QuotaExceededError")
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    async fn keeps_and_forgets(database: Database) {
        database.clear(&Store::ALL).await.unwrap();
        let (one, two) = (JsValue::from_str("one"), JsValue::from_str("two"));
        assert!(database.add(Store::Jobs, "a", &one).await.unwrap());
        assert!(!database.add(Store::Jobs, "a", &two).await.unwrap());
        assert_eq!(
            database.get(Store::Jobs, "a").await.unwrap(),
            Some(one.clone())
        );
        assert_eq!(database.get(Store::Entries, "a").await.unwrap(), None);
        database.put(Store::Jobs, "a", &two).await.unwrap();
        database.put(Store::Jobs, "b", &one).await.unwrap();
        let all = database.all(Store::Jobs).await.unwrap();
        assert_eq!(all, [("a".to_owned(), two), ("b".to_owned(), one.clone())]);
        database.delete(Store::Jobs, "a").await.unwrap();
        assert_eq!(
            database.all(Store::Jobs).await.unwrap(),
            [("b".to_owned(), one)]
        );
        database.clear(&[Store::Jobs, Store::Key]).await.unwrap();
        assert!(database.all(Store::Jobs).await.unwrap().is_empty());
    }

    #[wasm_bindgen_test]
    async fn memory_keeps_and_forgets() {
        keeps_and_forgets(Database::memory()).await;
    }

    #[wasm_bindgen_test]
    async fn the_browser_keeps_and_forgets() {
        let database = open_browser("darkroom-test-database").await.unwrap();
        keeps_and_forgets(Database(Backing::Browser(database))).await;
    }

    #[wasm_bindgen_test]
    async fn two_at_once_add_one_record() {
        let open = || async {
            Database(Backing::Browser(
                open_browser("darkroom-test-race").await.unwrap(),
            ))
        };
        let (a, b) = (open().await, open().await);
        a.clear(&Store::ALL).await.unwrap();
        let (one, two) = (JsValue::from_str("one"), JsValue::from_str("two"));
        let (first, second) = futures_util::join!(
            a.add(Store::Key, "master", &one),
            b.add(Store::Key, "master", &two)
        );
        assert!(first.unwrap() != second.unwrap(), "exactly one adds");
        let seen = a.get(Store::Key, "master").await.unwrap();
        assert_eq!(seen, b.get(Store::Key, "master").await.unwrap());
    }
}
