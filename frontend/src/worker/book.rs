//! What this browser remembers of analyses: entries and jobs under way, sealed under the key; and the
//! notes that go to storage.

use std::rc::Rc;

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{JobId, ModelId, ObjectId};
use js_sys::Uint8Array;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};

use super::database::{Database, Store};
use super::identity::Held;
use super::{scope, trouble};
use crate::protocol::{Answer, Entry, Grey, StageTimes, Trouble};

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
        let mut plain = Record {
            entry: Entry {
                thumbnail: None,
                ..record.entry.clone()
            },
            ..record.clone()
        };
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

fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

// ---- notes ----

/// The longest name and title in a note, in characters.
pub(super) const NAME_MAX: usize = 200;
/// Sealed notes have lengths that are multiples of this, so that they do not tell how long a name is.
const NOTE_STEP_BYTES: usize = 512;

/// What goes to storage with an image and with a result, sealed: JSON, filled up with spaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What the picture is called.
    pub(super) name: String,
    /// The encrypted picture's width.
    pub(super) width: u32,
    /// Its height.
    pub(super) height: u32,
    /// When it was made, Unix time.
    pub(super) created_ms: u64,
    /// With a result: what was run on what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<RunNote>,
}

/// What was run on what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNote {
    /// The image.
    pub(super) image: ObjectId,
    /// The model.
    pub(super) model: ModelId,
    /// Its title.
    pub(super) title: String,
}

impl Note {
    /// The note of an entry's image.
    pub fn of_image(entry: &Entry) -> Self {
        Self {
            name: cut(&entry.name),
            width: entry.width,
            height: entry.height,
            created_ms: entry.created_ms,
            run: None,
        }
    }

    /// The note of an entry's result.
    pub fn of_result(entry: &Entry) -> Self {
        let run = RunNote {
            image: entry.image,
            model: entry.model.clone(),
            title: cut(&entry.model_title),
        };
        Self {
            run: Some(run),
            ..Self::of_image(entry)
        }
    }

    /// Seals it for its object.
    ///
    /// # Errors
    /// The browser gives no randomness.
    pub fn seal(&self, held: &Held, kind: ObjectKind, id: ObjectId) -> Result<Vec<u8>, Trouble> {
        let mut text = serde_json::to_vec(self).map_err(|_| trouble::not_understood())?;
        text.resize(text.len().next_multiple_of(NOTE_STEP_BYTES), b' ');
        held.key
            .seal(&note_context(kind, id), &text, &mut scope::randomness()?)
            .map_err(|error| trouble::core(&error))
    }

    /// Opens the note of an object, if it is one of ours.
    pub fn open(held: &Held, kind: ObjectKind, id: ObjectId, sealed: &[u8]) -> Option<Self> {
        from_json(&held.key.open(&note_context(kind, id), sealed).ok()?)
    }
}

fn note_context(kind: ObjectKind, id: ObjectId) -> Vec<u8> {
    format!("darkroom/note/1/{}/{id}", kind.segment()).into_bytes()
}

/// The beginning of a name that is too long.
pub(super) fn cut(name: &str) -> String {
    name.chars().take(NAME_MAX).collect()
}

#[cfg(all(test, target_arch = "wasm32"))]
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
        book.remove_entry(entry(3).id).await.unwrap();
        assert_eq!(book.entries().await.unwrap().len(), 2);
        assert!(book.entry(entry(3).id).await.unwrap().is_none());
    }

    #[wasm_bindgen_test]
    async fn notes_open_for_their_object_alone_and_hide_lengths() {
        let held = held(1).await;
        let (short, mut long) = (entry(1), entry(2));
        long.name = "x".repeat(300);
        let note = Note::of_result(&short);
        let sealed = note.seal(&held, ObjectKind::Result, short.id).unwrap();
        let again = Note::open(&held, ObjectKind::Result, short.id, &sealed);
        assert_eq!(again, Some(note));
        assert_eq!(
            Note::open(&held, ObjectKind::Image, short.id, &sealed),
            None
        );
        assert_eq!(
            Note::open(&held, ObjectKind::Result, long.id, &sealed),
            None
        );
        let long = Note::of_result(&long)
            .seal(&held, ObjectKind::Result, long.id)
            .unwrap();
        assert_eq!(long.len(), sealed.len());
        assert!(long.len() <= darkroom_api::storage::NOTE_MAX_BYTES);
    }
}
