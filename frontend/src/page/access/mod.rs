//! Who gets into the vault: its token, tokens for others, its log, and how full it is.

mod log;
mod log_words;
mod rotation;
mod space;
mod tokens;

use leptos::prelude::*;

use crate::page::desk::desk;
use crate::page::parts::dialog::Dialog;
use crate::protocol::{Door, LogView, Trouble};
use log::LogPart;
use rotation::Rotation;
use space::Space;
use tokens::Tokens;

/// What the parts of the dialog share.
#[derive(Clone, Copy)]
struct Shared {
    /// The log; absent until it was asked for.
    log: RwSignal<Option<LogView>>,
    /// Counts up when what storage tells of the vault may be another.
    changed: RwSignal<u32>,
}

/// The dialog.
#[component]
pub fn Access(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Dialog open=open id="access-dialog" title="Your place on the server">
            <Parts />
        </Dialog>
    }
}

#[component]
fn Parts() -> impl IntoView {
    let desk = desk();
    provide_context(Shared {
        log: RwSignal::new(None),
        changed: RwSignal::new(0),
    });
    let outside = move || matches!(desk.door.get(), Door::Invitation { .. });
    view! {
        <Show when=outside>
            <p class="notice" id="access-outside">
                "Your key has no place here yet: the server wants an invitation first. Close this, and give it in the field at the top of the page."
            </p>
        </Show>
        <Space />
        <hr />
        <Rotation />
        <hr />
        <Tokens />
        <hr />
        <LogPart />
    }
}

/// Something that was asked of the server.
#[derive(Clone, PartialEq)]
enum Asked<T> {
    Waiting,
    Here(T),
    Failed(Trouble),
}
