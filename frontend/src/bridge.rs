//! The page's side of the worker: one function for each thing that can be asked.
//!
//! The worker starts with the first call and lives as long as the page. Every function returns a
//! [`Task`], which runs whether it is awaited or not; dropping it only stops listening. To stop the
//! work itself, keep its [`Canceller`].
//!
//! ```ignore
//! let task = bridge::create_key(move |step| set_step.set(Some(step)));
//! let stop = task.canceller();            // Copy + Send, for a button
//! match task.await { Ok(status) => .., Err(trouble) => .. }
//! ```

mod port;

use darkroom_api::access::{Scope, TokenInfo};
use darkroom_api::compute::{Catalogue, InputCard};
use darkroom_api::header::ParameterSetId;
use darkroom_api::ids::{ObjectId, TokenId};
use wasm_bindgen::JsCast;

use crate::protocol::{
    Analysis, AnalysisEvent, Entry, Event, KeyStep, LargeKey, LogView, MadeToken, Notice, Opened,
    Prepared, Reply, Request, Secret, Status, Summary, VaultState,
};
pub use port::{Canceller, Task};
use port::{ask, ask_with};

/// The state of the key.
pub fn status() -> Task<Status> {
    ask(Request::Status, pick_status)
}

/// Makes a key, unless there is one already (perhaps made in another tab just now).
pub fn create_key(mut on_step: impl FnMut(KeyStep) + 'static) -> Task<Status> {
    ask_to_persist();
    ask_with(Request::CreateKey, pick_status, move |event| {
        if let Event::Key(step) = event {
            on_step(step);
        }
    })
}

/// The 24 words that bring the key back. From then on the key counts as backed up.
pub fn recovery_words() -> Task<Vec<Secret>> {
    ask(Request::RecoveryWords, |reply| match reply {
        Reply::Words(words) => Some(words),
        _ => None,
    })
}

/// A file that brings the key back together with the passphrase. Takes a few seconds on purpose.
pub fn export_key(passphrase: Secret) -> Task<Vec<u8>> {
    ask(Request::ExportKey { passphrase }, |reply| match reply {
        Reply::File(bytes) => Some(bytes),
        _ => None,
    })
}

/// Takes the key out of its 24 words; `replace` allows to put it in another one's place.
pub fn restore_words(words: Secret, replace: bool) -> Task<Status> {
    ask_to_persist();
    ask(Request::RestoreWords { words, replace }, pick_status)
}

/// Takes the key out of a backup file; `replace` allows to put it in another one's place.
pub fn restore_file(file: Vec<u8>, passphrase: Secret, replace: bool) -> Task<Status> {
    ask_to_persist();
    let request = Request::RestoreFile {
        file,
        passphrase,
        replace,
    };
    ask(request, pick_status)
}

/// Wipes the key and every picture from this browser. What is in storage stays there, unreadable
/// without a backup, save the large key, which is deleted if storage can be reached.
pub fn forget() -> Task<Status> {
    ask(Request::Forget, pick_status)
}

/// Where the large key of a parameter set stands.
pub fn large_key(parameters: ParameterSetId) -> Task<LargeKey> {
    ask(Request::LargeKey { parameters }, pick_large_key)
}

/// Makes the large key and sends it; how far it is comes as [`Notice::LargeKey`]. Cancelled, what is
/// in storage stays there, and the next try goes on from it.
pub fn make_large_key(parameters: ParameterSetId) -> Task<LargeKey> {
    ask(Request::MakeLargeKey { parameters }, pick_large_key)
}

/// How full the vault is.
pub fn vault() -> Task<VaultState> {
    ask(Request::Vault, |reply| match reply {
        Reply::Vault(vault) => Some(vault),
        _ => None,
    })
}

/// Hands an invitation to whatever waits for one; what becomes of it comes as [`Notice::Door`].
pub fn invitation(text: Secret) -> Task<()> {
    ask(Request::Invitation(text), pick_done)
}

/// Puts a new token in the place of the one that opens the vault.
pub fn rotate_token() -> Task<()> {
    ask(Request::RotateToken, pick_done)
}

/// The limited tokens, newest first.
pub fn tokens() -> Task<Vec<TokenInfo>> {
    ask(Request::Tokens, |reply| match reply {
        Reply::Tokens(tokens) => Some(tokens),
        _ => None,
    })
}

/// Makes a limited token, good for so many days or until it is revoked.
pub fn make_token(label: String, scope: Scope, days: Option<u32>) -> Task<MadeToken> {
    ask(
        Request::MakeToken { label, scope, days },
        |reply| match reply {
            Reply::Token(made) => Some(made),
            _ => None,
        },
    )
}

/// Revokes a limited token.
pub fn revoke_token(token: TokenId) -> Task<()> {
    ask(Request::RevokeToken(token), pick_done)
}

/// The log, read and checked anew.
pub fn log() -> Task<LogView> {
    ask(Request::Log, |reply| match reply {
        Reply::Log(log) => Some(log),
        _ => None,
    })
}

/// Older entries of the log that was read, newest first.
pub fn log_before(number: u64) -> Task<Vec<String>> {
    ask(Request::LogBefore(number), |reply| match reply {
        Reply::LogEntries(lines) => Some(lines),
        _ => None,
    })
}

/// Forgets what this browser saw of the log.
pub fn forget_log() -> Task<()> {
    ask(Request::ForgetLog, pick_done)
}

/// The models that can be run.
pub fn catalogue() -> Task<Catalogue> {
    ask(Request::Catalogue, |reply| match reply {
        Reply::Catalogue(catalogue) => Some(catalogue),
        _ => None,
    })
}

/// Decodes a file into exactly the pixels that a model's frame makes of it. Needs no key.
pub fn prepare(blob: web_sys::Blob, frame: InputCard, inverted: bool) -> Task<Prepared> {
    let request = Request::Prepare {
        blob,
        frame,
        inverted,
    };
    ask(request, |reply| match reply {
        Reply::Prepared(prepared) => Some(prepared),
        _ => None,
    })
}

/// Runs a model on pictures. `on_event` gets the number of a picture and what happens to it. Entries
/// also arrive as [`Notice::Entry`], from the first moment on.
/// Cancelled, it deletes again what was stored for pictures without a result.
pub fn analyse(
    analysis: Analysis,
    mut on_event: impl FnMut(u32, AnalysisEvent) + 'static,
) -> Task<Summary> {
    let pick = |reply| match reply {
        Reply::Summary(summary) => Some(summary),
        _ => None,
    };
    ask_with(Request::Analyse(analysis), pick, move |event| {
        if let Event::Analysis(picture, event) = event {
            on_event(picture, event);
        }
    })
}

/// All entries, newest first. `on_known` gets those that this browser knows, at once; the answer
/// comes when storage and compute were asked as well.
pub fn history(mut on_known: impl FnMut(Vec<Entry>) + 'static) -> Task<Vec<Entry>> {
    let pick = |reply| match reply {
        Reply::History(entries) => Some(entries),
        _ => None,
    };
    ask_with(Request::History, pick, move |event| {
        if let Event::History(entries) = event {
            on_known(entries);
        }
    })
}

/// Everything about an entry that is done: fetched from storage and decrypted anew.
pub fn open(entry: ObjectId) -> Task<Opened> {
    ask(Request::Open { entry }, |reply| match reply {
        Reply::Opened(opened) => Some(*opened),
        _ => None,
    })
}

/// Stops an entry that is under way, also one of an earlier visit, and deletes it.
pub fn cancel_entry(entry: ObjectId) -> Task<()> {
    ask(Request::CancelEntry { entry }, pick_done)
}

/// Deletes an entry here and in storage.
pub fn delete(entry: ObjectId) -> Task<()> {
    ask(Request::Delete { entry }, pick_done)
}

/// Deletes all entries, here and in storage. The key stays.
pub fn delete_all() -> Task<()> {
    ask(Request::DeleteAll, pick_done)
}

/// Calls `listener` with every notice from now on.
pub fn on_notice(listener: impl Fn(Notice) + 'static) {
    port::listen(listener);
}

/// Asks the browser not to clear the page's data by itself; a worker cannot ask. The answer shows in
/// the next [`Status`].
fn ask_to_persist() {
    let storage = js_sys::global()
        .dyn_into::<web_sys::Window>()
        .ok()
        .and_then(|window| js_sys::Reflect::get(&window.navigator(), &"storage".into()).ok())
        .and_then(|storage| storage.dyn_into::<web_sys::StorageManager>().ok());
    if let Some(Ok(promise)) = storage.map(|storage| storage.persist()) {
        wasm_bindgen_futures::spawn_local(async move {
            // A refusal is an answer, too.
            let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
        });
    }
}

fn pick_status(reply: Reply) -> Option<Status> {
    match reply {
        Reply::Status(status) => Some(status),
        _ => None,
    }
}

fn pick_large_key(reply: Reply) -> Option<LargeKey> {
    match reply {
        Reply::LargeKey(key) => Some(key),
        _ => None,
    }
}

fn pick_done(reply: Reply) -> Option<()> {
    matches!(reply, Reply::Done).then_some(())
}
