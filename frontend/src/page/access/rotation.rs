//! The token that opens the vault, and its rotation.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Shared;
use crate::bridge;
use crate::page::desk::desk;
use crate::page::parts::glyph::Glyph;
use crate::page::parts::problem::Problem;
use crate::protocol::Trouble;

#[derive(Clone, PartialEq)]
enum Step {
    Idle,
    Asking,
    Busy,
    Done,
    Failed(Trouble),
}

#[component]
pub fn Rotation() -> impl IntoView {
    let desk = desk();
    let shared: Shared = expect_context();
    let step = RwSignal::new(Step::Idle);
    let rotate = move |_| {
        step.set(Step::Busy);
        desk.say("Rotating the token.");
        spawn_local(async move {
            let end = match bridge::rotate_token().await {
                Ok(()) => {
                    desk.say("Rotated. The old token opens nothing any more.");
                    shared.changed.try_update(|count| *count += 1);
                    Step::Done
                }
                Err(trouble) => Step::Failed(trouble),
            };
            step.try_set(end);
        });
    };
    let shown = move || {
        match step.get() {
        Step::Asking => view! {
            <p>
                <strong>"Put a new token in its place?"</strong>
                " It takes a moment. What runs now goes on; tokens for others stay as they are."
            </p>
            <div class="actions">
                <button type="button" id="rotate-yes" class="next" on:click=rotate>
                    "Rotate it"
                </button>
                <button type="button" class="plain" on:click=move |_| step.set(Step::Idle)>
                    "Leave it"
                </button>
            </div>
        }
        .into_any(),
        Step::Busy => view! { <p class="quiet">"Rotating …"</p> }.into_any(),
        Step::Idle => view! { <Begin step=step words="Rotate the token" /> }.into_any(),
        Step::Done => view! {
            <p class="checked" id="rotated">
                <Glyph name="check" />
                "Rotated. The old token opens nothing any more."
            </p>
            <Begin step=step words="Rotate it again" />
        }
        .into_any(),
        Step::Failed(trouble) => view! {
            <Problem trouble=trouble />
            <p class="small">
                "Whether it was rotated or not, nothing is lost: the page finds out by itself which token is good."
            </p>
            <Begin step=step words="Try again" />
        }
        .into_any(),
    }
    };
    view! {
        <section class="stack tight" id="rotation">
            <h3>"Your token"</h3>
            <p>
                "With every request this page shows the server a token that is made from your key. If somebody may have seen it, say in a log on the way, rotate it: a new one takes its place at once. Your key and your pictures stay, and your other devices find the new token by themselves."
            </p>
            {shown}
        </section>
    }
}

#[component]
fn Begin(step: RwSignal<Step>, words: &'static str) -> impl IntoView {
    view! {
        <div class="actions">
            <button type="button" id="rotate" on:click=move |_| step.set(Step::Asking)>
                {words}
            </button>
        </div>
    }
}
