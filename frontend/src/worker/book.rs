//! What this browser remembers of analyses: entries and jobs under way, sealed under the key.

use std::rc::Rc;

use darkroom_api::audit::Checkpoint;
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{JobId, ModelId, ObjectId};
use js_sys::Uint8Array;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use super::database::{Database, Store};
use super::identity::Held;
use super::{scope, trouble};
use crate::protocol::{Answer, Entry, Grey, StageTimes, Trouble};

/// The record of the log's last place that was seen.
const CHECKPOINT: &str = "log";

/// An entry with everything that is known of it here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub(super) entry: Entry,
    pub(super) answer: Option<Answer>,
    pub(super) times: StageTimes,
}

impl Record {
    /// An entry of which no more is known.
    pub fn new(entry: Entry) -> Self {
        Self {
            entry,
            answer: None,
            times: StageTimes::default(),
        }
    }
}

/// A job that is not over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    pub(super) idempotency_key: ObjectId,
    pub(super) model: ModelId,
    /// Compute's name for it, once it was submitted.
    pub(super) job: Option<JobId>,
    pub(super) items: Vec<ItemRecord>,
    /// Whether it is being undone.
    pub(super) cancelled: bool,
    /// The parameter set of the large key that the model needs, if it needs one.
    #[serde(default)]
    pub(super) large_key: Option<ParameterSetId>,
    /// The idempotency key of the second submission: the first one did not find the large key.
    #[serde(default)]
    pub(super) again: Option<ObjectId>,
}

/// One picture of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    pub(super) entry: ObjectId,
    pub(super) image: ObjectId,
    /// Whether the image was made for this job, and goes with it.
    pub(super) fresh: bool,
    /// Whether image and notes are in storage.
    pub(super) stored: bool,
    /// Whether nothing more will happen: there is a result, or it failed.
    pub(super) over: bool,
    /// Whether the person does not want it any more.
    pub(super) dropped: bool,
}

/// The records of one key.
#[derive(Clone)]
pub struct Book {
    database: Rc<Database>,
    held: Rc<Held>,
}

impl Book {
    /// The records of this key in this database.
    pub fn new(database: Rc<Database>, held: Rc<Held>) -> Self {
        Self { database, held }
    }

    /// All entries, newest first. Those of other keys are passed over.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn entries(&self) -> Result<Vec<Record>, Trouble> {
        let all = self.database.all(Store::Entries).await?;
        let read = |(name, value): &(String, JsValue)| self.read_entry(name, value);
        let mut records: Vec<Record> = all.iter().filter_map(read).collect();
        records.sort_by_key(|r| (std::cmp::Reverse(r.entry.created_ms), r.entry.id));
        Ok(records)
    }

    /// One entry.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn entry(&self, id: ObjectId) -> Result<Option<Record>, Trouble> {
        let name = id.to_string();
        let value = self.database.get(Store::Entries, &name).await?;
        Ok(value.and_then(|value| self.read_entry(&name, &value)))
    }

    /// Writes an entry.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn put_entry(&self, record: &Record) -> Result<(), Trouble> {
        let name = record.entry.id.to_string();
        let mut plain = record.clone();
        plain.entry.thumbnail = None;
        // Pixels follow the text as they are: they are most of it.
        let mut bytes = Vec::new();
        let text = serde_json::to_vec(&plain).map_err(|_| trouble::not_understood())?;
        let length = u32::try_from(text.len()).map_err(|_| trouble::not_understood())?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&text);
        if let Some(thumbnail) = &record.entry.thumbnail {
            bytes.extend_from_slice(&thumbnail.data);
        }
        self.write(Store::Entries, &name, &bytes).await
    }

    /// Removes an entry.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn remove_entry(&self, id: ObjectId) -> Result<(), Trouble> {
        self.database.delete(Store::Entries, &id.to_string()).await
    }

    /// All jobs that are not over.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>, Trouble> {
        let all = self.database.all(Store::Jobs).await?;
        let read = |(name, value): &(String, JsValue)| self.read(Store::Jobs, name, value);
        Ok(all
            .iter()
            .filter_map(read)
            .filter_map(|bytes| from_json(&bytes))
            .collect())
    }

    /// One job, if it is not over.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn job(&self, key: ObjectId) -> Result<Option<JobRecord>, Trouble> {
        let name = key.to_string();
        let value = self.database.get(Store::Jobs, &name).await?;
        let bytes = value.and_then(|value| self.read(Store::Jobs, &name, &value));
        Ok(bytes.and_then(|bytes| from_json(&bytes)))
    }

    /// Writes a job.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn put_job(&self, job: &JobRecord) -> Result<(), Trouble> {
        let text = serde_json::to_vec(job).map_err(|_| trouble::not_understood())?;
        self.write(Store::Jobs, &job.idempotency_key.to_string(), &text)
            .await
    }

    /// Removes a job.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn remove_job(&self, key: ObjectId) -> Result<(), Trouble> {
        self.database.delete(Store::Jobs, &key.to_string()).await
    }

    /// The last place of the vault's log that this browser saw.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, Trouble> {
        let value = self.database.get(Store::Key, CHECKPOINT).await?;
        let bytes = value.and_then(|value| self.read(Store::Key, CHECKPOINT, &value));
        Ok(bytes.and_then(|bytes| from_json(&bytes)))
    }

    /// Keeps a place of the vault's log.
    ///
    /// # Errors
    /// The browser's database fails, or is full.
    pub async fn put_checkpoint(&self, place: Checkpoint) -> Result<(), Trouble> {
        let text = serde_json::to_vec(&place).map_err(|_| trouble::not_understood())?;
        self.write(Store::Key, CHECKPOINT, &text).await
    }

    /// Forgets the place of the vault's log.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn remove_checkpoint(&self) -> Result<(), Trouble> {
        self.database.delete(Store::Key, CHECKPOINT).await
    }

    /// Removes everything but the key.
    ///
    /// # Errors
    /// The browser's database fails.
    pub async fn clear(&self) -> Result<(), Trouble> {
        self.database.clear(&[Store::Entries, Store::Jobs]).await
    }

    fn read_entry(&self, name: &str, value: &JsValue) -> Option<Record> {
        let bytes = self.read(Store::Entries, name, value)?;
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, pixels) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let mut record: Record = from_json(text)?;
        let (width, height) = (record.entry.width, record.entry.height);
        record.entry.thumbnail = (!pixels.is_empty()).then(|| Grey {
            width,
            height,
            data: pixels.to_vec(),
        });
        Some(record)
    }

    fn read(&self, store: Store, name: &str, value: &JsValue) -> Option<Vec<u8>> {
        let sealed = value.dyn_ref::<Uint8Array>()?.to_vec();
        self.held.key.open(&context(store, name), &sealed).ok()
    }

    async fn write(&self, store: Store, name: &str, plain: &[u8]) -> Result<(), Trouble> {
        let sealed = self
            .held
            .key
            .seal(&context(store, name), plain, &mut scope::randomness()?)
            .map_err(|error| trouble::core(&error))?;
        let value = Uint8Array::from(sealed.as_slice());
        self.database.put(store, name, &value).await
    }
}

fn context(store: Store, name: &str) -> Vec<u8> {
    let store = match store {
        Store::Key => "key",
        Store::Entries => "entry",
        Store::Jobs => "job",
    };
    format!("darkroom/{store}/1/{name}").into_bytes()
}

pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
pub(super) mod tests {
    use darkroom_fhe::keys::ClientKey;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::identity::Identity;
    use super::*;
    use crate::protocol::EntryState;

    pub(crate) async fn held(byte: u8) -> Rc<Held> {
        let database = Database::memory();
        let identity = Identity::load(&database).await;
        identity
            .keep(&database, ClientKey::from_master([byte; 32]), false)
            .await
            .unwrap();
        identity.held().unwrap()
    }

    pub(crate) fn entry(byte: u8) -> Entry {
        Entry {
            id: ObjectId([byte; 16]),
            image: ObjectId([byte + 100; 16]),
            name: "Grandmother's hand.png".into(),
            model: "scan-type".parse().unwrap(),
            model_title: "Kind of scan".into(),
            width: 2,
            height: 3,
            created_ms: 1_700_000_000_000 + u64::from(byte),
            state: EntryState::Unread,
            thumbnail: Some(Grey {
                width: 2,
                height: 3,
                data: vec![1, 2, 3, 4, 5, 255],
            }),
        }
    }

    #[wasm_bindgen_test]
    async fn entries_are_sealed_sorted_and_of_one_key() {
        let database = Rc::new(Database::memory());
        let (mine, other) = (held(1).await, held(2).await);
        let book = Book::new(database.clone(), mine);
        for byte in [1, 3, 2] {
            book.put_entry(&Record::new(entry(byte))).await.unwrap();
        }
        let found = book.entries().await.unwrap();
        let order: Vec<Entry> = found.into_iter().map(|record| record.entry).collect();
        assert_eq!(order, [entry(3), entry(2), entry(1)]);
        let stored = database.all(Store::Entries).await.unwrap();
        let bytes = stored[0].1.dyn_ref::<Uint8Array>().unwrap().to_vec();
        assert!(
            !bytes
                .windows(5)
                .any(|w| w == b"Grand" || w == [1, 2, 3, 4, 5])
        );
        let stranger = Book::new(database, other);
        assert!(stranger.entries().await.unwrap().is_empty());
        assert!(stranger.entry(entry(1).id).await.unwrap().is_none());
        let place = Checkpoint {
            number: 7,
            ..Checkpoint::default()
        };
        book.put_checkpoint(place).await.unwrap();
        assert_eq!(book.checkpoint().await.unwrap(), Some(place));
        assert_eq!(stranger.checkpoint().await.unwrap(), None);
        book.remove_checkpoint().await.unwrap();
        assert_eq!(book.checkpoint().await.unwrap(), None);
        book.remove_entry(entry(3).id).await.unwrap();
        assert_eq!(book.entries().await.unwrap().len(), 2);
        assert!(book.entry(entry(3).id).await.unwrap().is_none());
    }
}
