//! The key on paper or in a file.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::bridge;
use crate::page::desk::desk;
use crate::page::parts::copy::Copy;
use crate::page::parts::dialog::Dialog;
use crate::page::parts::problem::Problem;
use crate::page::save;
use crate::protocol::{Secret, Trouble};

/// The shortest passphrase that protects a file.
const PASSPHRASE_MIN: usize = 10;

/// The backup dialog: 24 words, or a file with a passphrase.
#[component]
pub fn Backup() -> impl IntoView {
    let desk = desk();
    view! {
        <Dialog open=desk.backing_up id="backup-dialog" title="Back up your key">
            <p>
                "With a backup you read your results on any device, also after this browser has lost the key. Whoever has it can read them too: keep it as you keep a passport."
            </p>
            <Words />
            <hr />
            <File />
        </Dialog>
    }
}

#[component]
fn Words() -> impl IntoView {
    let desk = desk();
    let words = RwSignal::new(None::<Vec<Secret>>);
    let trouble = RwSignal::new(None::<Trouble>);
    let fetch = move |_| {
        spawn_local(async move {
            match bridge::recovery_words().await {
                Ok(secret) => words.try_set(Some(secret)).map_or((), drop),
                Err(error) => trouble.try_set(Some(error)).map_or((), drop),
            }
        });
    };
    let text = move || {
        let words = words.get().unwrap_or_default();
        words
            .iter()
            .map(|word| word.0.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let list = move || {
        let words = words.get().unwrap_or_default();
        words
            .into_iter()
            .map(|word| view! { <li>{word.0.clone()}</li> })
            .collect_view()
    };
    let shown = move || words.with(Option::is_some);
    view! {
        <section class="stack tight">
            <h3>"24 words on paper"</h3>
            <Show
                when=shown
                fallback=move || {
                    view! {
                        <p class="small quiet">"See that nobody looks over your shoulder."</p>
                        <div class="actions">
                            <button type="button" id="backup-words" class="next" on:click=fetch>
                                "Show the words"
                            </button>
                        </div>
                    }
                }
            >
                <p class="small quiet">
                    "Write them down in this order. Do not photograph them, and do not mail them."
                </p>
                <ol class="words" id="words" tabindex="0" aria-label="Your 24 words">
                    {list}
                </ol>
                <div class="actions">
                    <button
                        type="button"
                        id="words-written"
                        class="next"
                        on:click=move |_| desk.backing_up.set(false)
                    >
                        "I wrote them down"
                    </button>
                    <Copy id="copy-words" text=Signal::derive(text) />
                </div>
            </Show>
            {move || trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
        </section>
    }
}

/// What is wrong with a passphrase typed twice; nothing if it is fine.
fn fault(first: &str, second: &str) -> Option<String> {
    if first.chars().count() < PASSPHRASE_MIN {
        Some(format!(
            "Take {PASSPHRASE_MIN} characters or more; a few words make a good one."
        ))
    } else if first != second {
        Some("The two are not the same. Type it again.".into())
    } else {
        None
    }
}

#[component]
fn File() -> impl IntoView {
    let desk = desk();
    let (first, second) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let message = RwSignal::new(None::<String>);
    let trouble = RwSignal::new(None::<Trouble>);
    let busy = RwSignal::new(false);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let fault = fault(&first.get_untracked(), &second.get_untracked());
        message.set(fault.clone());
        if fault.is_some() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        trouble.set(None);
        spawn_local(async move {
            let file = bridge::export_key(Secret(first.get_untracked())).await;
            busy.try_set(false);
            match file {
                Ok(bytes) => {
                    save::file("darkroom-key.age", "application/octet-stream", &bytes);
                    message.try_set(Some(
                        "Saved as darkroom-key.age. The file is of no use without the passphrase."
                            .into(),
                    ));
                    desk.say("The backup file is saved.");
                }
                Err(error) => {
                    trouble.try_set(Some(error));
                }
            }
        });
    };
    view! {
        <form class="stack tight" on:submit=submit>
            <h3>"A file with a passphrase"</h3>
            <label for="passphrase">"Passphrase"</label>
            <input
                type="password"
                id="passphrase"
                autocomplete="new-password"
                aria-describedby="passphrase-message"
                bind:value=first
            />
            <label for="passphrase-again">"The same again"</label>
            <input
                type="password"
                id="passphrase-again"
                autocomplete="new-password"
                bind:value=second
            />
            <p class="small" id="passphrase-message" role="status">
                {move || message.get()}
            </p>
            <div class="actions">
                <button type="submit" id="backup-file" disabled=move || busy.get()>
                    {move || if busy.get() { "Locking the file …" } else { "Save the file" }}
                </button>
            </div>
            {move || trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
        </form>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn passphrases_are_long_and_typed_twice_the_same() {
        assert!(fault("short", "short").is_some());
        assert!(fault("long enough", "long enouhg").is_some());
        assert_eq!(fault("long enough", "long enough"), None);
    }
}
