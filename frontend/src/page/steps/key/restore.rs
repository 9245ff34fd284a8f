//! The key back from paper or from a file.

use js_sys::Uint8Array;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;

use super::words;
use crate::page::desk::{Desk, desk};
use crate::page::parts::dialog::Dialog;
use crate::page::parts::problem::Problem;
use crate::protocol::{Trouble, TroubleKind};

/// Where the key is to come from.
#[derive(Clone)]
enum From {
    Words(String),
    File(Vec<u8>, String),
}

/// What the two halves of the dialog share.
#[derive(Clone, Copy)]
struct Attempt {
    desk: Desk,
    open: RwSignal<bool>,
    busy: RwSignal<bool>,
    trouble: RwSignal<Option<Trouble>>,
    last: StoredValue<Option<From>>,
}

impl Attempt {
    fn new(open: RwSignal<bool>) -> Self {
        Self {
            desk: desk(),
            open,
            busy: RwSignal::new(false),
            trouble: RwSignal::new(None),
            last: StoredValue::new(None),
        }
    }

    fn begin(self, from: From, replace: bool) {
        if self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        self.trouble.set(None);
        self.last.set_value(Some(from.clone()));
        let desk = self.desk;
        spawn_local(async move {
            let end = match from {
                From::Words(words) => desk.restore_words(words, replace).await,
                From::File(file, passphrase) => desk.restore_file(file, passphrase, replace).await,
            };
            // The dialog may have been closed, and its state with it.
            self.busy.try_set(false);
            match end {
                Ok(()) => self.open.set(false),
                Err(trouble) => drop(self.trouble.try_set(Some(trouble))),
            }
        });
    }

    fn again_replacing(self) {
        if let Some(from) = self.last.get_value() {
            self.begin(from, true);
        }
    }
}

/// The restore dialog.
#[component]
pub fn Restore(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Dialog open=open id="restore-dialog" title="Restore your key">
            <Halves open=open />
        </Dialog>
    }
}

#[component]
fn Halves(open: RwSignal<bool>) -> impl IntoView {
    let attempt = Attempt::new(open);
    let problem = move || {
        attempt.trouble.get().map(|trouble| {
            let another = trouble.kind == TroubleKind::AnotherKey;
            view! {
                <Problem trouble=trouble>
                    <Show when=move || another>
                        <button
                            type="button"
                            id="restore-replace"
                            on:click=move |_| attempt.again_replacing()
                        >
                            "Replace the key that is here"
                        </button>
                    </Show>
                </Problem>
            }
        })
    };
    view! {
        <p>
            "Your results come back with it, from the server. The pictures themselves are opened here, as before."
        </p>
        {problem}
        <Paper attempt=attempt />
        <hr />
        <File attempt=attempt />
    }
}

#[component]
fn Paper(attempt: Attempt) -> impl IntoView {
    let text = RwSignal::new(String::new());
    let hints = Memo::new(move |_| words::read(&text.get()));
    let count = move || {
        hints.with(|hints| {
            if hints.complete {
                "24 of 24 words: this is a key.".to_owned()
            } else {
                format!("{} of {} words", hints.count, words::COUNT)
            }
        })
    };
    let faults = move || {
        let faults = hints.get().faults;
        faults
            .into_iter()
            .map(|fault| view! { <li>{fault}</li> })
            .collect_view()
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        attempt.begin(From::Words(text.get_untracked()), false);
    };
    view! {
        <form class="stack tight" on:submit=submit>
            <h3>
                <label for="restore-words-input">"The 24 words, in their order"</label>
            </h3>
            <textarea
                id="restore-words-input"
                rows="4"
                autocomplete="off"
                autocapitalize="none"
                spellcheck="false"
                aria-describedby="restore-hints"
                bind:value=text
            ></textarea>
            <div id="restore-hints" class="hints" role="status">
                <p class="quiet">{count}</p>
                <ul>{faults}</ul>
            </div>
            <div class="actions">
                <button
                    type="submit"
                    id="restore-words"
                    class:next=move || hints.with(|hints| hints.complete)
                    disabled=move || attempt.busy.get() || !hints.with(|hints| hints.complete)
                >
                    "Restore from the words"
                </button>
            </div>
        </form>
    }
}

#[component]
fn File(attempt: Attempt) -> impl IntoView {
    let input = NodeRef::<html::Input>::new();
    let passphrase = RwSignal::new(String::new());
    let chosen = RwSignal::new(false);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let file = input
            .get_untracked()
            .and_then(|input| input.files())
            .and_then(|files| files.get(0));
        let Some(file) = file else { return };
        let passphrase = passphrase.get_untracked();
        spawn_local(async move {
            if let Ok(buffer) = JsFuture::from(file.array_buffer()).await {
                attempt.begin(
                    From::File(Uint8Array::new(&buffer).to_vec(), passphrase),
                    false,
                );
            }
        });
    };
    let choose = move |_| {
        let files = input.get_untracked().and_then(|input| input.files());
        chosen.set(files.is_some_and(|files| files.length() > 0));
    };
    view! {
        <form class="stack tight" on:submit=submit>
            <h3>
                <label for="restore-file-input">"The file, and its passphrase"</label>
            </h3>
            <input
                node_ref=input
                type="file"
                id="restore-file-input"
                accept=".age"
                on:change=choose
            />
            <label for="restore-passphrase">"Passphrase"</label>
            <input
                type="password"
                id="restore-passphrase"
                autocomplete="current-password"
                bind:value=passphrase
            />
            <div class="actions">
                <button
                    type="submit"
                    id="restore-file"
                    disabled=move || attempt.busy.get() || !chosen.get()
                >
                    {move || {
                        if attempt.busy.get() { "Opening …" } else { "Restore from the file" }
                    }}
                </button>
            </div>
        </form>
    }
}
