//! A button that copies a text.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::Clipboard;

use super::announce::announcer;
use super::glyph::Glyph;

/// The clipboard; browsers give none to pages that came over an unprotected network.
fn clipboard() -> Option<Clipboard> {
    let clipboard = window().navigator().clipboard();
    (!clipboard.is_undefined()).then_some(clipboard)
}

/// Copies the text; hidden where there is no clipboard.
#[component]
pub fn Copy(id: &'static str, text: Signal<String>) -> impl IntoView {
    let announcer = announcer();
    let copied = RwSignal::new(false);
    let copy = move |_| {
        let Some(clipboard) = clipboard() else { return };
        let promise = clipboard.write_text(&text.get_untracked());
        spawn_local(async move {
            if JsFuture::from(promise).await.is_ok() {
                copied.try_set(true);
                announcer.say("Copied.");
            }
        });
    };
    view! {
        <button type="button" id=id hidden=clipboard().is_none() on:click=copy>
            {move || if copied.get() { "Copied" } else { "Copy" }}
            <Show when=move || copied.get()>
                <Glyph name="check" />
            </Show>
        </button>
    }
}
