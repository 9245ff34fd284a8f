//! The notes that go to storage with images and results, sealed: what brings the history back on
//! another device.

use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ModelId, ObjectId};
use serde::{Deserialize, Serialize};

use super::book::from_json;
use super::identity::Held;
use super::{scope, trouble};
use crate::protocol::{Entry, Trouble};

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

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::book::tests::{entry, held};
    use super::*;

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
