//! The notes that go to storage beside an object, sealed: the page reads them in its history, so
//! their form is the page's (`frontend/src/worker/book.rs`).

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use darkroom_api::compute::ModelCard;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::{ModelId, ObjectId};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use serde::Serialize;

use crate::error::Error;

/// The longest name and title, in characters.
const NAME_MAX: usize = 200;
/// Sealed notes have lengths that are multiples of this, so that they do not tell how long a name is.
const STEP_BYTES: usize = 512;

/// What a picture is called and what was run on it.
#[derive(Debug, Serialize)]
pub struct Note {
    name: String,
    width: u32,
    height: u32,
    created_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
}

#[derive(Debug, Serialize)]
struct Run {
    image: ObjectId,
    model: ModelId,
    title: String,
}

impl Note {
    /// The note of a picture.
    pub fn of_image(path: &Path, card: &ModelCard) -> Self {
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            name: cut(&name),
            width: card.input.width,
            height: card.input.height,
            created_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            run: None,
        }
    }

    /// The note of the result of this picture.
    pub fn of_result(self, image: ObjectId, card: &ModelCard) -> Self {
        let run = Run {
            image,
            model: card.id.clone(),
            title: cut(&card.title),
        };
        Self {
            run: Some(run),
            ..self
        }
    }

    /// Seals it for its object alone.
    pub fn seal(&self, key: &ClientKey, kind: ObjectKind, id: ObjectId) -> Result<Vec<u8>, Error> {
        let mut text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        text.resize(text.len().next_multiple_of(STEP_BYTES), b' ');
        Ok(key.seal(&context(kind, id), &text, &mut Randomness::system()?)?)
    }
}

fn context(kind: ObjectKind, id: ObjectId) -> Vec<u8> {
    format!("darkroom/note/1/{}/{id}", kind.segment()).into_bytes()
}

fn cut(text: &str) -> String {
    text.chars().take(NAME_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_have_the_form_of_the_page() {
        let note = Note {
            name: "hand.png".into(),
            width: 64,
            height: 64,
            created_ms: 7,
            run: Some(Run {
                image: ObjectId([1; 16]),
                model: "scan-type".parse().unwrap(),
                title: "Kind of scan".into(),
            }),
        };
        let key = ClientKey::from_master([3; 32]);
        let id = ObjectId([2; 16]);
        let sealed = note.seal(&key, ObjectKind::Result, id).unwrap();
        assert!(sealed.len() <= darkroom_api::storage::NOTE_MAX_BYTES);
        let context = b"darkroom/note/1/results/02020202020202020202020202020202";
        let text = key.open(context, &sealed).unwrap();
        assert_eq!(text.len(), STEP_BYTES);
        let expected = r#"{"name":"hand.png","width":64,"height":64,"created_ms":7,"run":{"image":"01010101010101010101010101010101","model":"scan-type","title":"Kind of scan"}}"#;
        assert_eq!(std::str::from_utf8(&text).unwrap().trim_end(), expected);
    }
}
