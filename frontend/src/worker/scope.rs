//! What the browser gives to a worker: its scope, clocks, locks.

use std::cell::RefCell;
use std::rc::Rc;

use darkroom_api::ids::ObjectId;
use darkroom_fhe::seed::Randomness;
use futures_channel::oneshot;
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{SubtleCrypto, WorkerGlobalScope};

use super::trouble;
use crate::protocol::Trouble;

/// The worker's global scope.
pub fn global() -> WorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// How many threads the machine can run at a time, as far as the browser tells.
pub fn cores() -> f64 {
    global().navigator().hardware_concurrency()
}

/// Unix time in ms.
pub fn now_ms() -> u64 {
    // Whole milliseconds since 1970 fit into 53 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let now = js_sys::Date::now() as u64;
    now
}

/// A clock for durations, in ms.
pub fn clock_ms() -> f64 {
    global()
        .performance()
        .map_or_else(js_sys::Date::now, |performance| performance.now())
}

/// The browser's cryptography; absent on a page that did not come by https (or from localhost).
pub fn subtle() -> Option<SubtleCrypto> {
    let crypto = global().crypto().ok()?;
    let subtle = Reflect::get(&crypto, &"subtle".into()).ok()?;
    subtle.dyn_into().ok()
}

/// Randomness for one purpose.
///
/// # Errors
/// The browser gives none.
pub fn randomness() -> Result<Randomness, Trouble> {
    Randomness::system().map_err(|error| trouble::core(&error))
}

/// A new object's id.
///
/// # Errors
/// The browser gives no randomness.
pub fn new_id() -> Result<ObjectId, Trouble> {
    Ok(ObjectId(randomness()?.bytes()))
}

/// Whether the browser has promised not to clear this page's data by itself. Only the page itself
/// can ask it to ([`crate::bridge`] does).
pub async fn persisted() -> bool {
    let agreed = async {
        let storage = Reflect::get(&global().navigator(), &"storage".into()).ok()?;
        let storage: web_sys::StorageManager = storage.dyn_into().ok()?;
        JsFuture::from(storage.persisted().ok()?).await.ok()
    };
    agreed.await.is_some_and(|agreed| agreed.is_truthy())
}

/// Holds a lock that only one of all tabs can hold.
pub struct Lock(Option<Function>);

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }
}

/// Waits until no other tab holds this lock. A browser without locks gives it at once.
pub async fn lock(name: &str) -> Lock {
    let (sender, receiver) = oneshot::channel();
    if request_lock(name, sender).is_none() {
        return Lock(None);
    }
    receiver.await.unwrap_or(Lock(None))
}

fn request_lock(name: &str, sender: oneshot::Sender<Lock>) -> Option<()> {
    let locks = Reflect::get(&global().navigator(), &"locks".into()).ok()?;
    let request: Function = Reflect::get(&locks, &"request".into())
        .ok()?
        .dyn_into()
        .ok()?;
    let sender = Rc::new(RefCell::new(Some(sender)));
    let held = Closure::once_into_js(move |_lock: JsValue| {
        // The lock is held until this promise is kept; if nobody waits any more, at once.
        Promise::new(&mut |resolve, _| {
            if let Some(sender) = sender.borrow_mut().take() {
                drop(sender.send(Lock(Some(resolve))));
            }
        })
    });
    request.call2(&locks, &name.into(), &held).ok().map(drop)
}
