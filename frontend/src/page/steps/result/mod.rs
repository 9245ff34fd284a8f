//! Station 4: the results, while they develop and after.

mod answer;
mod files;
mod stages;
mod travelled;

use leptos::prelude::*;

use crate::page::desk::{Desk, Run, RunState, desk, element_id};
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::page::parts::large_key::{LargeKeyRing, reason};
use crate::page::parts::problem::Problem;
use crate::page::{Here, Station};
use crate::protocol::{EntryState, Grey, Opened};
use answer::AnswerView;
use files::Files;
use stages::{Finished, Progress};
use travelled::Travelled;

/// The results, newest first.
#[component]
pub fn ResultStation() -> impl IntoView {
    let desk = desk();
    let empty =
        Memo::new(move |_| desk.runs.with(Vec::is_empty) && desk.run_trouble.with(Option::is_none));
    let first = Memo::new(move |_| {
        let running = desk.running.with(Option::is_some);
        let progress = desk.large_key_progress().filter(|_| running);
        progress.map(|(_, progress)| progress.cause)
    });
    let why = move || {
        let again = first.get().and_then(reason);
        again.unwrap_or("First your large key, this once.")
    };
    let trouble = move || {
        desk.run_trouble.get().map(|trouble| {
            view! {
                <Problem trouble=trouble>
                    <button type="button" id="try-again" on:click=move |_| desk.analyse()>
                        "Try again"
                    </button>
                </Problem>
            }
        })
    };
    view! {
        <Station place=Here::Result id="result" number="4" title="Result" class="result-station">
            {trouble}
            <Show when=move || first.get().is_some()>
                <div class="note" data-test="large-key-first">
                    <p>
                        <strong>{why}</strong>
                    </p>
                    <LargeKeyRing />
                </div>
            </Show>
            <Show when=move || empty.get()>
                <p class="quiet">"What a picture shows appears here, and only here."</p>
            </Show>
            <div class="results">
                <For each=move || desk.runs.get() key=|run| run.number let:run>
                    <RunView run=run />
                </For>
            </div>
            <Nudge />
        </Station>
    }
}

/// What of a run is drawn anew when it changes: not every stage is another face.
#[derive(Clone, PartialEq)]
enum Face {
    Under,
    Told,
    Open(Box<Opened>),
    Cancelled,
    Failed(crate::protocol::Trouble),
}

fn face(state: &RunState) -> Face {
    match state {
        RunState::Queued | RunState::Under(_) => Face::Under,
        RunState::Told(..) => Face::Told,
        RunState::Open(opened) => Face::Open(opened.clone()),
        RunState::Cancelled => Face::Cancelled,
        RunState::Failed(trouble) => Face::Failed(trouble.clone()),
    }
}

#[component]
fn RunView(run: Run) -> impl IntoView {
    let state = run.state.clone();
    let face = Memo::new(move |_| state.with(face));
    let opened = move |of: fn(&Opened) -> Option<String>| {
        face.with(|face| match face {
            Face::Open(opened) => of(opened),
            _ => None,
        })
    };
    let word = move || {
        face.with(|face| match face {
            Face::Under => "under-way",
            Face::Told => "told",
            Face::Open(_) => "open",
            Face::Cancelled => "cancelled",
            Face::Failed(_) => "failed",
        })
    };
    let (shown, number, name) = (run.clone(), run.number, run.name.clone());
    let body = move || match face.get() {
        Face::Under => view! { <Progress run=shown.clone() /> }.into_any(),
        Face::Told => view! { <Told run=shown.clone() /> }.into_any(),
        Face::Open(opened) => view! { <OpenView opened=*opened run=shown.clone() /> }.into_any(),
        Face::Cancelled => {
            view! { <p class="quiet">"Cancelled. Nothing of it is left on the server."</p> }
                .into_any()
        }
        Face::Failed(trouble) => view! { <Problem trouble=trouble /> }.into_any(),
    };
    view! {
        <article
            class="result arriving"
            id=element_id(number)
            tabindex="-1"
            aria-label=format!("Result for {name}")
            data-test="result"
            data-name=name.clone()
            data-state=word
            data-label=move || opened(|opened| Some(opened.answer.label.clone()))
            data-scores=move || opened(|opened| serde_json::to_string(&opened.answer.scores).ok())
            data-probabilities=move || {
                opened(|opened| serde_json::to_string(&opened.answer.probabilities).ok())
            }
            data-model=move || opened(|opened| Some(opened.entry.model.to_string()))
            data-entry=move || run.entry.get().map(|id| id.to_string())
        >
            {body}
        </article>
    }
}

/// The picture of a result: the original where it is at hand, else the pixels that were encrypted.
#[component]
fn Picture(run: Run, pixels: Option<Grey>) -> impl IntoView {
    if run.original.is_empty() {
        let picture = pixels.map(|grey| Rgba::grey(grey.width, grey.height, &grey.data));
        view! { <Pixels picture=Signal::stored(picture) label=run.name.clone() /> }.into_any()
    } else {
        view! { <img class="frame" src=run.original.clone() alt=run.name.clone() /> }.into_any()
    }
}

/// The label alone, while the rest is fetched.
#[component]
fn Told(run: Run) -> impl IntoView {
    let (headline, pixels) = run.state.with_untracked(|state| match state {
        RunState::Told(entry, _) => {
            let headline = match &entry.state {
                EntryState::Done { label, probability } => answer::headline(label, *probability),
                _ => "Opening the result …".to_owned(),
            };
            (headline, entry.thumbnail.clone())
        }
        _ => (String::new(), None),
    });
    let line = format!("{} · {}", run.name, run.model_title);
    view! {
        <div class="developed">
            <figure>
                <Picture run=run pixels=pixels />
            </figure>
            <div class="answer">
                <p class="small quiet">{line}</p>
                <h3>{headline}</h3>
            </div>
        </div>
    }
}

#[component]
fn OpenView(opened: Opened, run: Run) -> impl IntoView {
    let Opened {
        entry,
        answer,
        picture,
        seen,
        times,
        notice,
    } = opened.clone();
    let line = format!("{} · {}", run.name, entry.model_title);
    let way = run.way.clone();
    view! {
        <div class="developed">
            <figure>
                <Picture run=run pixels=Some(picture.clone()) />
            </figure>
            <AnswerView answer=answer line=line />
        </div>
        {notice.map(|notice| view! { <p class="notice">{notice}</p> })}
        <Travelled picture=picture seen=seen.clone() way=way />
        <Finished times=times seen=seen />
        <p class="print-only small">{report_line(&opened)}</p>
        <Files opened=opened />
    }
}

/// What a printed report has to say of its own origin.
fn report_line(opened: &Opened) -> String {
    #[allow(clippy::cast_precision_loss)] // exact until the year 287396
    let when = crate::page::format::moment(opened.entry.created_ms as f64);
    format!(
        "Analysed on {when} with “{}” ({}). The server has seen neither picture nor result.",
        opened.entry.model_title, opened.entry.model,
    )
}

const NUDGED: &str = "darkroom-nudged";

fn was_nudged() -> bool {
    let storage = window().local_storage().ok().flatten();
    storage
        .and_then(|storage| storage.get_item(NUDGED).ok().flatten())
        .is_some()
}

fn remember_nudge() {
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = storage.set_item(NUDGED, "yes");
    }
}

fn unsaved(desk: Desk) -> bool {
    desk.status.with(|status| {
        let key = status.as_ref().and_then(|status| status.key.as_ref());
        key.is_some_and(|key| !key.backed_up)
    })
}

/// Asks once, after the first result, to back up the key.
#[component]
fn Nudge() -> impl IntoView {
    let desk = desk();
    let dismissed = RwSignal::new(was_nudged());
    let due = Memo::new(move |_| {
        let runs = desk.runs.get();
        let read = runs
            .iter()
            .any(|run| run.state.with(|state| matches!(state, RunState::Open(_))));
        read && !dismissed.get() && unsaved(desk)
    });
    let later = move || {
        remember_nudge();
        dismissed.set(true);
    };
    view! {
        <Show when=move || due.get()>
            <div class="note nudge" data-test="nudge">
                <p>
                    <strong>"Your key alone opens this result."</strong>
                </p>
                <p>
                    "It is kept in this browser and nowhere else. Write it down as 24 words, and you can read your results on any device, also when this one is lost."
                </p>
                <div class="actions">
                    <button
                        type="button"
                        id="nudge-back-up"
                        class="next"
                        on:click=move |_| {
                            later();
                            desk.backing_up.set(true);
                        }
                    >
                        "Back up"
                    </button>
                    <button type="button" class="plain" id="nudge-later" on:click=move |_| later()>
                        "Not now"
                    </button>
                </div>
            </div>
        </Show>
    }
}
