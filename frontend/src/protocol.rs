//! What the page and its one worker say to each other.
//!
//! The page asks with a [`Request`] under a [`Ticket`]; the worker answers once, and before that may
//! tell how far it is ([`Event`]). What concerns the whole page comes unasked, as a [`Notice`]. No
//! type here carries the master secret, save the words and the backup file that the person asks for.
//!
//! Messages are plain JavaScript objects (`serde-wasm-bindgen`), so that a picture file travels as
//! the browser's own `Blob`, without a copy.

use std::fmt;

use darkroom_api::compute::Catalogue;
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{KeyId, ModelId, ObjectId};
use serde::{Deserialize, Serialize};

/// Names one request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ticket(pub u32);

/// From the page to the worker.
#[derive(Serialize, Deserialize)]
pub enum ToWorker {
    /// Does something and answers under this ticket.
    Ask(Ticket, Request),
    /// Stops what runs under this ticket; its answer is a [`Trouble`] of kind `Cancelled`.
    Cancel(Ticket),
}

/// From the worker to the page.
#[derive(Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker takes requests.
    Ready,
    /// The one answer to a request.
    Answer(Ticket, Result<Reply, Trouble>),
    /// How far a request is.
    Event(Ticket, Event),
    /// Something that concerns the whole page.
    Notice(Notice),
}

/// What the page can ask for; [`crate::bridge`] has one function for each.
#[derive(Serialize, Deserialize)]
pub enum Request {
    /// The state of the key: [`Reply::Status`].
    Status,
    /// Makes a key unless there is one: [`Event::Key`], then [`Reply::Status`].
    CreateKey,
    /// The 24 recovery words: [`Reply::Words`].
    RecoveryWords,
    /// A file that holds the key under a passphrase: [`Reply::File`].
    ExportKey {
        /// What protects the file.
        passphrase: Secret,
    },
    /// Takes the key out of 24 words: [`Reply::Status`].
    RestoreWords {
        /// The words, apart by anything that is not a letter.
        words: Secret,
        /// Whether another key that is here may be replaced.
        replace: bool,
    },
    /// Takes the key out of a backup file: [`Reply::Status`].
    RestoreFile {
        /// The file.
        #[serde(with = "serde_bytes")]
        file: Vec<u8>,
        /// What protects it.
        passphrase: Secret,
        /// Whether another key that is here may be replaced.
        replace: bool,
    },
    /// Wipes the key and all pictures from this browser; storage keeps its ciphertexts: [`Reply::Status`].
    Forget,
    /// The models: [`Reply::Catalogue`].
    Catalogue,
    /// Decodes a file into exactly the pixels that would be encrypted: [`Reply::Prepared`].
    Prepare {
        /// The file: a picture that the browser can read, or `.npy`, told apart by content.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        blob: web_sys::Blob,
        /// The model's frame, pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// Encrypts, sends, runs a model, fetches and decrypts: [`Event::Analysis`], then [`Reply::Summary`].
    Analyse(Analysis),
    /// All entries, newest first: [`Event::History`] with what is known here, then [`Reply::History`].
    History,
    /// Everything about an entry that is done: [`Reply::Opened`].
    Open {
        /// The entry.
        entry: ObjectId,
    },
    /// Stops an entry that is under way, also one of an earlier visit, and deletes it: [`Reply::Done`].
    CancelEntry {
        /// The entry.
        entry: ObjectId,
    },
    /// Deletes an entry here and in storage: [`Reply::Done`].
    Delete {
        /// The entry.
        entry: ObjectId,
    },
    /// Deletes all entries here and the whole vault in storage; the key stays: [`Reply::Done`].
    DeleteAll,
}

/// A text that must not be printed.
#[derive(Clone, Serialize, Deserialize, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The answers.
#[derive(Serialize, Deserialize)]
pub enum Reply {
    /// To requests that change or ask for the key's state.
    Status(Status),
    /// To [`Request::RecoveryWords`]: 24 words.
    Words(Vec<Secret>),
    /// To [`Request::ExportKey`]: an age file.
    File(#[serde(with = "serde_bytes")] Vec<u8>),
    /// To [`Request::Catalogue`].
    Catalogue(Catalogue),
    /// To [`Request::Prepare`].
    Prepared(Prepared),
    /// To [`Request::Analyse`].
    Summary(Summary),
    /// To [`Request::History`].
    History(Vec<Entry>),
    /// To [`Request::Open`].
    Opened(Box<Opened>),
    /// To what has nothing to tell.
    Done,
}

/// How far a request is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// Of [`Request::CreateKey`].
    Key(KeyStep),
    /// Of [`Request::Analyse`].
    Analysis(AnalysisEvent),
    /// Of [`Request::History`]: the entries that this browser knows, before storage has answered.
    History(Vec<Entry>),
}

/// What concerns the whole page.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Notice {
    /// The key was made, restored or forgotten, perhaps in another tab.
    Status(Status),
    /// An entry is new or has changed: put it in the place of the one with the same id.
    Entry(Box<Entry>),
    /// An entry is gone.
    EntryRemoved(ObjectId),
    /// All entries are gone.
    EntriesCleared,
    /// The server cannot be reached; the worker tries again by itself.
    Unreachable {
        /// When it tries next, from now.
        retry_ms: u32,
    },
    /// The server answers again.
    Reachable,
    /// The worker has stopped and cannot go on; only a reload helps.
    Stopped(Trouble),
}

// ---- the key ----

/// The state of the key in this browser.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The key, if there is one.
    pub key: Option<KeyInfo>,
    /// How this browser would keep, or keeps, a key.
    pub keeping: Keeping,
    /// The key that is in the database but cannot be unlocked any more, for instance after the
    /// browser lost half of its data: restore it from a backup, or forget it.
    pub locked: bool,
}

/// What may be shown of the key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its public name.
    pub id: KeyId,
    /// Four words made of the public name, the same on every visit and every device.
    pub fingerprint: Vec<String>,
    /// When it came into this browser, Unix time.
    pub created_ms: u64,
    /// Whether words or a file were given out, or it was restored from them.
    pub backed_up: bool,
}

/// Where the browser keeps the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeping {
    /// In its database, and the browser has promised not to clear it by itself.
    Persistent,
    /// In its database, which the browser may clear when space runs out.
    BestEffort,
    /// Nowhere: gone with this tab (private window, storage switched off).
    ThisVisit,
}

/// The steps of making a key, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyStep {
    /// Drawing 256 bits from the browser's randomness.
    Drawing,
    /// Deriving the secret keys and checking them on a trial encryption.
    Deriving,
    /// Wrapping it and writing it to the browser's database.
    Keeping,
    /// Opening the vault in storage.
    OpeningVault,
}

impl KeyStep {
    /// All steps, in order.
    pub const ALL: [Self; 4] = [
        Self::Drawing,
        Self::Deriving,
        Self::Keeping,
        Self::OpeningVault,
    ];
}

// ---- pictures ----

/// A grey picture: what is encrypted, and what comes out of decryption.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grey {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Row after row from the top, 0 black to 255 white.
    #[serde(with = "serde_bytes")]
    pub data: Vec<u8>,
}

impl fmt::Debug for Grey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grey({}x{})", self.width, self.height)
    }
}

/// A file made ready for a model's frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Exactly what would be encrypted.
    pub picture: Grey,
    /// The file's own width.
    pub original_width: u32,
    /// The file's own height.
    pub original_height: u32,
}

// ---- analysis ----

/// Pictures to run one model on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Analysis {
    /// The model, from the catalogue.
    pub model: ModelId,
    /// 1 to [`darkroom_api::compute::JOB_IMAGES_MAX`] pictures, all of the model's frame.
    pub pictures: Vec<ToAnalyse>,
}

/// One picture to analyse.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ToAnalyse {
    /// The page's own number of the picture, repeated in events.
    pub picture: u32,
    /// What it is called, for people; sealed before it is stored. Cut at 200 characters.
    pub name: String,
    /// Where the pixels are.
    pub source: Source,
}

/// Where the pixels of a picture are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Source {
    /// Here: encrypted and stored first.
    Fresh(Grey),
    /// In storage, encrypted: the `image` of an [`Entry`] whose frame is the model's.
    Stored(ObjectId),
}

/// What happens during an analysis.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AnalysisEvent {
    /// A picture has entered a stage.
    Stage {
        /// The page's number of the picture.
        picture: u32,
        /// The entry that it has become.
        entry: ObjectId,
        /// The stage it is in now.
        stage: Stage,
        /// Bytes that the stage moves, if it moves any.
        bytes: Option<u64>,
        /// The stages behind it, with what they took.
        times: StageTimes,
    },
    /// A picture's result is here.
    Done {
        /// The page's number of the picture.
        picture: u32,
        /// Its entry, with the answer in [`EntryState::Done`].
        entry: Box<Entry>,
    },
    /// A picture failed; the others go on.
    Failed {
        /// The page's number of the picture.
        picture: u32,
        /// Its entry, if it came so far.
        entry: Option<Box<Entry>>,
        /// Why, and what to do.
        trouble: Trouble,
    },
}

/// The way of one picture, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Being encrypted here.
    Encrypt,
    /// On its way to storage.
    Send,
    /// In compute's queue.
    Wait,
    /// Being computed on.
    Compute,
    /// The result is on its way back.
    Fetch,
    /// The result is being decrypted here.
    Decrypt,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 6] = [
        Self::Encrypt,
        Self::Send,
        Self::Wait,
        Self::Compute,
        Self::Fetch,
        Self::Decrypt,
    ];
}

/// How long each stage took, in ms of wall time; absent where not (yet) known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageTimes {
    /// Encrypting here.
    pub encrypt_ms: Option<f64>,
    /// Sending the ciphertext to storage.
    pub send_ms: Option<f64>,
    /// Waiting in compute's queue.
    pub wait_ms: Option<f64>,
    /// Computing, with compute's own reading and storing.
    pub compute_ms: Option<f64>,
    /// Fetching the result.
    pub fetch_ms: Option<f64>,
    /// Decrypting it here.
    pub decrypt_ms: Option<f64>,
}

impl StageTimes {
    /// What a stage took, if known.
    pub fn of(&self, stage: Stage) -> Option<f64> {
        match stage {
            Stage::Encrypt => self.encrypt_ms,
            Stage::Send => self.send_ms,
            Stage::Wait => self.wait_ms,
            Stage::Compute => self.compute_ms,
            Stage::Fetch => self.fetch_ms,
            Stage::Decrypt => self.decrypt_ms,
        }
    }

    /// Notes what a stage took.
    pub fn set(&mut self, stage: Stage, ms: f64) {
        let slot = match stage {
            Stage::Encrypt => &mut self.encrypt_ms,
            Stage::Send => &mut self.send_ms,
            Stage::Wait => &mut self.wait_ms,
            Stage::Compute => &mut self.compute_ms,
            Stage::Fetch => &mut self.fetch_ms,
            Stage::Decrypt => &mut self.decrypt_ms,
        };
        *slot = Some(ms);
    }
}

/// How an analysis ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Pictures with a result.
    pub done: u32,
    /// Pictures without.
    pub failed: u32,
}

// ---- history ----

/// One picture run through one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The entry: the id of its result in storage.
    pub id: ObjectId,
    /// The encrypted image in storage; several entries may share it.
    pub image: ObjectId,
    /// What the picture is called.
    pub name: String,
    /// The model that was run.
    pub model: ModelId,
    /// The model's title at that time.
    pub model_title: String,
    /// The encrypted picture's width.
    pub width: u32,
    /// The encrypted picture's height.
    pub height: u32,
    /// When it was begun, Unix time.
    pub created_ms: u64,
    /// Where it stands.
    pub state: EntryState,
    /// The picture, decrypted and kept only in this browser; absent until it was fetched again on
    /// another device.
    pub thumbnail: Option<Grey>,
}

/// Where an entry stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum EntryState {
    /// Under way; goes on by itself, also after a reload.
    Pending(Stage),
    /// The result is in storage but was not read in this browser yet; open it.
    Unread,
    /// Read.
    Done {
        /// The likeliest class.
        label: String,
        /// Its probability, 0 to 1.
        probability: f64,
    },
    /// There will be no result.
    Failed(Trouble),
}

/// Everything about an entry that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// The entry.
    pub entry: Entry,
    /// What the model says.
    pub answer: Answer,
    /// The picture, decrypted from the stored image.
    pub picture: Grey,
    /// What the server saw.
    pub seen: Seen,
    /// How long each stage took; all absent if it was run on another device.
    pub times: StageTimes,
    /// The model's warning, such as "research demonstration only".
    pub notice: Option<String>,
}

/// What a model says of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The likeliest class: its place in `classes`.
    pub class: usize,
    /// Its name.
    pub label: String,
    /// All classes, in the order of `probabilities`.
    pub classes: Vec<String>,
    /// Probability of each class, 0 to 1.
    pub probabilities: Vec<f64>,
    /// The model's raw scores: one for two classes, otherwise one a class.
    pub scores: Vec<f64>,
}

/// What the server saw of a picture.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The first bytes of the ciphertext as it is stored, behind the header; at most 64 KiB.
    #[serde(with = "serde_bytes")]
    pub sample: Vec<u8>,
    /// Length of the stored image, header included.
    pub image_bytes: u64,
    /// Length of the stored result, header included.
    pub result_bytes: u64,
    /// The parameter set of both.
    pub parameters: ParameterSetId,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen")
            .field("image_bytes", &self.image_bytes)
            .field("result_bytes", &self.result_bytes)
            .finish_non_exhaustive()
    }
}

// ---- trouble ----

/// What went wrong, in three sentences for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{what}")]
pub struct Trouble {
    /// For the page to tell cases apart.
    pub kind: TroubleKind,
    /// What happened.
    pub what: String,
    /// What it means for the data.
    pub data: String,
    /// What to do.
    pub todo: String,
}

/// The cases that the page may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TroubleKind {
    /// The person cancelled it.
    Cancelled,
    /// There is no key here yet.
    NoKey,
    /// Another key is here; ask again with `replace` to put the restored one in its place.
    AnotherKey,
    /// The words, the file or the passphrase are not right.
    Backup,
    /// The file is not a picture that can be read.
    Picture,
    /// The picture has not the model's frame.
    Frame,
    /// The model is not there any more.
    ModelGone,
    /// The browser has no space left, or storage has not.
    Full,
    /// The entry or the picture is not in storage any more.
    Missing,
    /// What storage gave back is damaged or was made under another key.
    Damaged,
    /// The server refused.
    Refused,
    /// The server cannot be reached.
    Unreachable,
    /// A fault of ours, or a browser that lacks something.
    Internal,
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use wasm_bindgen::{JsCast, JsValue};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    /// What arrives when this is sent: through the browser's structured clone, as between threads.
    fn sent<T: Serialize>(message: &T) -> JsValue {
        let message = serde_wasm_bindgen::to_value(message).unwrap();
        let clone = js_sys::Reflect::get(&js_sys::global(), &"structuredClone".into()).unwrap();
        let clone: js_sys::Function = clone.dyn_into().unwrap();
        clone.call1(&JsValue::UNDEFINED, &message).unwrap()
    }

    fn grey() -> Grey {
        Grey {
            width: 2,
            height: 1,
            data: vec![0, 255],
        }
    }

    fn trouble() -> Trouble {
        Trouble {
            kind: TroubleKind::Full,
            what: "a".into(),
            data: "b".into(),
            todo: "c".into(),
        }
    }

    fn entry(state: EntryState) -> Entry {
        Entry {
            id: ObjectId([1; 16]),
            image: ObjectId([2; 16]),
            name: "hand – Hand.png".into(),
            model: "scan-type".parse().unwrap(),
            model_title: "Kind of scan".into(),
            width: 2,
            height: 1,
            created_ms: 1_700_000_000_000,
            state,
            thumbnail: Some(grey()),
        }
    }

    #[wasm_bindgen_test]
    fn requests_arrive_as_they_were_sent() {
        let analysis = Analysis {
            model: "scan-type".parse().unwrap(),
            pictures: vec![ToAnalyse {
                picture: 7,
                name: "n".into(),
                source: Source::Fresh(grey()),
            }],
        };
        let arrived = sent(&ToWorker::Ask(
            Ticket(3),
            Request::Analyse(analysis.clone()),
        ));
        let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        let ToWorker::Ask(Ticket(3), Request::Analyse(again)) = arrived else {
            panic!("another request arrived")
        };
        assert_eq!(format!("{again:?}"), format!("{analysis:?}"));
        let arrived = sent(&ToWorker::Cancel(Ticket(3)));
        let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        assert!(matches!(arrived, ToWorker::Cancel(Ticket(3))));
    }

    #[wasm_bindgen_test]
    fn a_picture_file_travels_as_the_browsers_own() {
        let bytes = js_sys::Uint8Array::from([1, 2, 3].as_slice());
        let blob = web_sys::Blob::new_with_u8_array_sequence(&js_sys::Array::of1(&bytes)).unwrap();
        let request = Request::Prepare {
            blob,
            width: 64,
            height: 32,
        };
        let arrived = sent(&ToWorker::Ask(Ticket(1), request));
        let arrived: ToWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        let ToWorker::Ask(
            _,
            Request::Prepare {
                blob,
                width,
                height,
            },
        ) = arrived
        else {
            panic!("another request arrived")
        };
        assert_eq!((blob.size(), width, height), (3.0, 64, 32));
    }

    #[wasm_bindgen_test]
    fn answers_arrive_as_they_were_sent() {
        let states = [
            EntryState::Pending(Stage::Compute),
            EntryState::Unread,
            EntryState::Done {
                label: "hand X-ray".into(),
                probability: 0.75,
            },
            EntryState::Failed(trouble()),
        ];
        let entries: Vec<Entry> = states.into_iter().map(entry).collect();
        let arrived = sent(&FromWorker::Answer(
            Ticket(1),
            Ok(Reply::History(entries.clone())),
        ));
        let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        let FromWorker::Answer(_, Ok(Reply::History(again))) = arrived else {
            panic!("another answer arrived")
        };
        assert_eq!(again, entries);
        let arrived = sent(&FromWorker::Answer(Ticket(1), Err(trouble())));
        let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
        assert!(matches!(arrived, FromWorker::Answer(_, Err(again)) if again == trouble()));
    }

    #[wasm_bindgen_test]
    fn notices_arrive_as_they_were_sent() {
        let status = Status {
            key: None,
            keeping: Keeping::ThisVisit,
            locked: true,
        };
        let notices = [
            Notice::Status(status),
            Notice::Entry(Box::new(entry(EntryState::Unread))),
            Notice::EntryRemoved(ObjectId([9; 16])),
            Notice::EntriesCleared,
            Notice::Unreachable { retry_ms: 4000 },
            Notice::Reachable,
            Notice::Stopped(trouble()),
        ];
        for notice in notices {
            let arrived = sent(&FromWorker::Notice(notice.clone()));
            let arrived: FromWorker = serde_wasm_bindgen::from_value(arrived).unwrap();
            let FromWorker::Notice(again) = arrived else {
                panic!("another message arrived")
            };
            assert_eq!(format!("{again:?}"), format!("{notice:?}"));
        }
    }
}
