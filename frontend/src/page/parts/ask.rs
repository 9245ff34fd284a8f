//! The one dialog that asks before something is lost.

use leptos::prelude::*;

use super::dialog::Dialog;
use crate::page::desk::desk;

/// Shows the question on the desk, if there is one.
#[component]
pub fn Ask() -> impl IntoView {
    let desk = desk();
    let open = RwSignal::new(false);
    Effect::new(move || open.set(desk.question.with(Option::is_some)));
    Effect::new(move || {
        // Only what is there is taken away: a signal that is set again runs its effects again.
        if !open.get() && desk.question.with_untracked(Option::is_some) {
            desk.question.set(None);
        }
    });
    let title = Signal::derive(move || {
        desk.question.with(|question| {
            question
                .as_ref()
                .map(|q| q.title.clone())
                .unwrap_or_default()
        })
    });
    view! {
        <Dialog open=open id="ask" title=title>
            {move || {
                desk.question.get().map(|question| {
                    let yes = question.yes.clone();
                    view! {
                        <p>{question.text}</p>
                        <div class="actions">
                            <button
                                type="button"
                                id="ask-yes"
                                on:click=move |_| {
                                    open.set(false);
                                    yes();
                                }
                            >
                                {question.verb}
                            </button>
                            <button
                                type="button"
                                class="plain"
                                autofocus
                                on:click=move |_| open.set(false)
                            >
                                "Keep it"
                            </button>
                        </div>
                    }
                })
            }}
        </Dialog>
    }
}
