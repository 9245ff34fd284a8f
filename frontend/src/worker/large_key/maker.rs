//! A worker that makes parts of the large key and does nothing else. It gets the secrets of the
//! large key's parameter set, never the master, and neither network nor database is any use to it.

use std::cell::RefCell;
use std::rc::Rc;

use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::KeyId;
use darkroom_fhe::keys::EvaluationSecret;
use js_sys::{Array, Uint8Array};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use zeroize::Zeroizing;

use crate::worker::scope::randomness;

/// The name of such a worker, by which it knows what it is.
pub const NAME: &str = "maker";

/// From the worker that holds the key.
#[derive(Serialize, Deserialize)]
pub enum ToMaker {
    /// What all parts are made from.
    Begin {
        /// [`EvaluationSecret::danger_to_bytes`]; moved, and wiped once it is read.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        secret: Uint8Array,
        /// The key that the parts belong to.
        key: KeyId,
        /// Its parameter set.
        parameters: ParameterSetId,
    },
    /// Make this part.
    Make(u16),
}

/// To the worker that holds the key.
#[derive(Serialize, Deserialize)]
pub enum FromMaker {
    /// It listens.
    Ready,
    /// A part, as it is stored.
    Made {
        /// Which one.
        index: u16,
        /// Header and payload; moved.
        #[serde(with = "serde_wasm_bindgen::preserve")]
        object: Uint8Array,
    },
    /// It cannot go on.
    Failed,
}

/// Starts to make parts.
pub fn start(scope: &DedicatedWorkerGlobalScope) {
    let failed = scope.clone();
    // What a panic says may hold what nobody should read: only that it happened leaves.
    std::panic::set_hook(Box::new(move |_| post(&failed, &FromMaker::Failed, None)));
    let bench = Rc::new(RefCell::new(None));
    let own = scope.clone();
    let on_message = Closure::<dyn Fn(MessageEvent)>::new(move |message: MessageEvent| {
        let answer = serde_wasm_bindgen::from_value(message.data())
            .ok()
            .and_then(|message| answer(&bench, message));
        match answer {
            Some(Answer::Nothing) => {}
            Some(Answer::Made(index, object)) => {
                let buffer = object.buffer();
                post(&own, &FromMaker::Made { index, object }, Some(&buffer));
            }
            None => post(&own, &FromMaker::Failed, None),
        }
    });
    scope.set_onmessage(Some(on_message.into_js_value().unchecked_ref()));
    post(scope, &FromMaker::Ready, None);
}

/// What parts are made from.
struct Bench {
    secret: EvaluationSecret,
    key: KeyId,
    parameters: ParameterSetId,
}

enum Answer {
    Nothing,
    Made(u16, Uint8Array),
}

fn answer(bench: &RefCell<Option<Bench>>, message: ToMaker) -> Option<Answer> {
    match message {
        ToMaker::Begin {
            secret,
            key,
            parameters,
        } => {
            let bytes = Zeroizing::new(secret.to_vec());
            secret.fill(0, 0, secret.length());
            let secret = EvaluationSecret::danger_from_bytes(&bytes).ok()?;
            bench.replace(Some(Bench {
                secret,
                key,
                parameters,
            }));
            Some(Answer::Nothing)
        }
        ToMaker::Make(index) => {
            let bench = bench.borrow();
            let object = bench.as_ref()?.part(index)?;
            Some(Answer::Made(index, Uint8Array::from(object.as_slice())))
        }
    }
}

impl Bench {
    fn part(&self, index: u16) -> Option<Vec<u8>> {
        let payload = self.secret.part(index, &mut randomness().ok()?).ok()?;
        let kind = ObjectKind::EvaluationKey;
        Some(header::seal(kind, self.parameters, self.key, &payload))
    }
}

fn post(
    scope: &DedicatedWorkerGlobalScope,
    message: &FromMaker,
    moved: Option<&js_sys::ArrayBuffer>,
) {
    let Ok(message) = serde_wasm_bindgen::to_value(message) else {
        return;
    };
    // Fails only if the other worker is gone.
    let _ = match moved {
        Some(buffer) => scope.post_message_with_transfer(&message, &Array::of1(buffer)),
        None => scope.post_message(&message),
    };
}

#[cfg(target_arch = "wasm32")]
#[cfg(test)]
mod tests {
    use darkroom_fhe::keys::ClientKey;
    use darkroom_fhe::wire::KeyPart;
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn parts_are_made_as_they_are_stored_and_the_secret_is_wiped_once_read() {
        let owner = ClientKey::from_master([9; 32]);
        let key = KeyId(owner.key_id());
        let parameters = ParameterSetId(2);
        let secret = owner.evaluation_secret().danger_to_bytes();
        let secret = Uint8Array::from(secret.as_slice());
        let bench = RefCell::new(None);
        assert!(answer(&bench, ToMaker::Make(1)).is_none(), "from nothing");
        let begin = ToMaker::Begin {
            secret: secret.clone(),
            key,
            parameters,
        };
        assert!(matches!(answer(&bench, begin), Some(Answer::Nothing)));
        assert!(secret.to_vec().iter().all(|byte| *byte == 0));
        let Some(Answer::Made(24, object)) = answer(&bench, ToMaker::Make(24)) else {
            panic!("no part")
        };
        let object = object.to_vec();
        let (head, payload) = header::open(&object, ObjectKind::EvaluationKey).unwrap();
        assert_eq!((head.key, head.parameters), (key, parameters));
        let part = KeyPart::from_payload(parameters.0, payload).unwrap();
        assert_eq!(part.index(), 24);
        assert!(answer(&bench, ToMaker::Make(1000)).is_none());
    }
}
