//! What stands between the page and the vault: a token that was rotated elsewhere, or an invitation
//! that the server wants.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::bridge;
use crate::page::desk::desk;
use crate::protocol::{Door, Secret};

/// Says where the page stands, and takes the invitation.
#[component]
pub fn AtTheDoor() -> impl IntoView {
    let desk = desk();
    let wanted = Memo::new(move |_| matches!(desk.door.get(), Door::Invitation { .. }));
    let looking = move || match desk.door.get() {
        Door::Looking { tried, of } => Some((tried, of)),
        Door::Open | Door::Invitation { .. } => None,
    };
    view! {
        <Show when=move || looking().is_some()>
            <div class="note banner" id="looking-for-token">
                <p>
                    <strong>"Looking for your place on the server."</strong>
                </p>
                <p>
                    "It may open with another token than this browser knows, rotated on another device. Tried: "
                    {move || looking().map(|(tried, of)| format!("{tried} of {of}."))}
                </p>
            </div>
        </Show>
        <Show when=move || wanted.get()>
            <Invitation />
        </Show>
    }
}

#[component]
fn Invitation() -> impl IntoView {
    let desk = desk();
    let text = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let fault = RwSignal::new(None::<String>);
    // What became of the last one comes as the state of the door.
    Effect::new(move || {
        if let Door::Invitation { refused } = desk.door.get() {
            busy.set(false);
            fault.set(refused.then(|| {
                "This invitation is not good here: it is unknown, was used for another key, or has ended. Ask for a new one."
                    .into()
            }));
        }
    });
    let give = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        fault.set(None);
        let secret = Secret(text.get_untracked());
        spawn_local(async move {
            if let Err(trouble) = bridge::invitation(secret).await {
                busy.try_set(false);
                fault.try_set(Some(format!("{} {}", trouble.what, trouble.todo)));
            }
        });
    };
    view! {
        <form class="note banner" id="invitation" on:submit=give>
            <p>
                <strong>"This server lets in only those who were invited."</strong>
            </p>
            <p>
                "Your key has no place here yet. Ask whoever runs this server for an invitation, and paste it here: it is needed once. What you began waits for it and then goes on."
            </p>
            <label for="invitation-text">"Invitation"</label>
            <input
                type="text"
                id="invitation-text"
                class="mono"
                autocomplete="off"
                spellcheck="false"
                aria-describedby="invitation-fault"
                bind:value=text
            />
            <p class="small" id="invitation-fault" role="alert">
                {move || fault.get()}
            </p>
            <div class="actions">
                <button type="submit" id="invitation-give" class="next" disabled=move || busy.get()>
                    {move || if busy.get() { "Knocking …" } else { "Let me in" }}
                </button>
            </div>
        </form>
    }
}
