//! Forgetting the key, after saying what goes with it.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::page::desk::{Desk, desk};
use crate::page::format;
use crate::page::parts::dialog::Dialog;
use crate::page::parts::problem::Problem;
use crate::protocol::Trouble;

/// What cannot be read any more without a backup.
fn loss(desk: Desk) -> String {
    let results = desk
        .entries
        .with(|entries| entries.iter().flatten().count());
    let backed_up = desk.status.with(|status| {
        let key = status.as_ref().and_then(|status| status.key.as_ref());
        key.is_some_and(|key| key.backed_up)
    });
    match (results, backed_up) {
        (0, _) => "You have no results yet, so nothing becomes unreadable.".into(),
        (n, true) => format!(
            "Your {} on the server can be read again only with your backup: the 24 words or the file.",
            format::count(n, "result"),
        ),
        (n, false) => format!(
            "You have no backup. Nobody will ever read your {} on the server again: not you, and not the people who run it.",
            format::count(n, "result"),
        ),
    }
}

/// The dialog that asks before the key is wiped.
#[component]
pub fn Forget(open: RwSignal<bool>) -> impl IntoView {
    view! {
        <Dialog open=open id="forget-dialog" title="Forget the key in this browser?">
            <Choices open=open />
        </Dialog>
    }
}

#[component]
fn Choices(open: RwSignal<bool>) -> impl IntoView {
    let desk = desk();
    let also_there = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let trouble = RwSignal::new(None::<Trouble>);
    let unsafe_now = move || {
        desk.status.with(|status| {
            let key = status.as_ref().and_then(|status| status.key.as_ref());
            key.is_some_and(|key| !key.backed_up)
        })
    };
    let forget = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        let also_there = also_there.get_untracked();
        spawn_local(async move {
            let end = desk.forget(also_there).await;
            busy.try_set(false);
            match end {
                Ok(()) => open.set(false),
                Err(error) => drop(trouble.try_set(Some(error))),
            }
        });
    };
    let back_up = move |_| {
        open.set(false);
        desk.backing_up.set(true);
    };
    view! {
        <p>
            "The key and all small pictures are wiped from this browser. Your own files stay where they are."
        </p>
        <Show when=move || desk.large_key_stored()>
            <p>
                "The large key is deleted on the server. Without your key it is of no use, and with it, it is made again in seconds."
            </p>
        </Show>
        <p>
            <strong id="forget-loss">{move || loss(desk)}</strong>
        </p>
        <label class="check">
            <input type="checkbox" id="forget-there" bind:checked=also_there />
            <span>"Delete everything of this key on the server as well"</span>
        </label>
        {move || trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
        <div class="actions">
            <Show when=unsafe_now>
                <button type="button" class="next" id="forget-back-up" on:click=back_up>
                    "Back up first"
                </button>
            </Show>
            <button
                type="button"
                id="forget-yes"
                disabled=move || busy.get()
                on:click=forget
            >
                "Forget the key"
            </button>
            <button type="button" class="plain" on:click=move |_| open.set(false)>
                "Keep it"
            </button>
        </div>
    }
}
