//! Underneath: everything analysed with this key, newest first, like a contact sheet.

use leptos::prelude::*;

use crate::page::desk::{desk, doing};
use crate::page::format;
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::page::parts::problem::Problem;
use crate::protocol::{Entry, EntryState, Stage};

/// The history.
#[component]
pub fn History() -> impl IntoView {
    let desk = desk();
    let count = Memo::new(move |_| {
        desk.entries
            .with(|entries| entries.iter().flatten().count())
    });
    let shown = Memo::new(move |_| count.get() > 0 || desk.history_trouble.with(Option::is_some));
    let entries = move || desk.entries.get().unwrap_or_default();
    let trouble = move || {
        desk.history_trouble.get().map(|trouble| {
            view! {
                <Problem trouble=trouble>
                    <button type="button" on:click=move |_| desk.load_history()>
                        "Try again"
                    </button>
                </Problem>
            }
        })
    };
    view! {
        <section class="station history" id="history" tabindex="-1" aria-labelledby="history-heading" hidden=move || !shown.get()>
            <div class="history-head">
                <h2 id="history-heading">"History"</h2>
                <p class="small quiet">
                    "The small pictures are made and kept only in this browser."
                </p>
                <button type="button" class="plain" id="delete-all" on:click=move |_| desk.ask_delete_all()>
                    "Delete all"
                </button>
            </div>
            {trouble}
            <ul class="sheet">
                <For each=entries key=key let:entry>
                    <EntryView entry=entry />
                </For>
            </ul>
        </section>
    }
}

/// An entry is drawn anew when something that shows has changed.
fn key(entry: &Entry) -> (darkroom_api::ids::ObjectId, Option<Stage>, u8, bool) {
    let (stage, state) = match &entry.state {
        EntryState::Pending(stage) => (Some(*stage), 0),
        EntryState::Unread => (None, 1),
        EntryState::Done { .. } => (None, 2),
        EntryState::Failed(_) => (None, 3),
    };
    (entry.id, stage, state, entry.thumbnail.is_some())
}

/// The state of an entry: a word for tests, a line for people, and a second line.
fn words(entry: &Entry) -> (&'static str, String, Option<String>) {
    match &entry.state {
        EntryState::Pending(stage) => ("pending", "Under way".into(), Some(doing(*stage).into())),
        EntryState::Unread => (
            "unread",
            "Not read yet".into(),
            Some("open it to read".into()),
        ),
        EntryState::Done { label, probability } => (
            "done",
            format!("{label}, {}", format::percent(*probability)),
            None,
        ),
        EntryState::Failed(trouble) => ("failed", "No result".into(), Some(trouble.what.clone())),
    }
}

#[component]
fn EntryView(entry: Entry) -> impl IntoView {
    let desk = desk();
    let (state, line, more) = words(&entry);
    let openable = matches!(entry.state, EntryState::Done { .. } | EntryState::Unread);
    let again = !matches!(entry.state, EntryState::Pending(_));
    #[allow(clippy::cast_precision_loss)] // exact until the year 287396
    let when = format::moment(entry.created_ms as f64);
    let picture = match &entry.thumbnail {
        Some(grey) => {
            let picture = Rgba::grey(grey.width, grey.height, &grey.data);
            view! { <Pixels picture=Signal::stored(Some(picture)) label=entry.name.clone() /> }
                .into_any()
        }
        None => view! { <div class="blank">{entry.name.clone()}</div> }.into_any(),
    };
    let stored = StoredValue::new(entry.clone());
    let open = move |_| stored.with_value(|entry| desk.open_entry(entry));
    let label = match &entry.state {
        EntryState::Done { label, .. } => Some(label.clone()),
        _ => None,
    };
    view! {
        <li
            class="entry"
            data-test="history-entry"
            data-entry=entry.id.to_string()
            data-state=state
            data-label=label
        >
            <button type="button" class="look" data-test="open" disabled=!openable on:click=open>
                {picture}
                <span>
                    <strong>{line}</strong>
                    {more.map(|more| view! { <span class="small quiet block">{more}</span> })}
                    <span class="small quiet block">
                        {format!("{} · {}", entry.name, entry.model_title)}
                    </span>
                    <span class="small quiet block">{when}</span>
                </span>
            </button>
            <div class="actions">
                <Show when=move || again>
                    <button
                        type="button"
                        class="plain small"
                        data-test="again"
                        on:click=move |_| desk.run_again(stored.get_value())
                    >
                        "Run again"
                    </button>
                </Show>
                <button
                    type="button"
                    class="plain small"
                    data-test="delete"
                    aria-label=format!("Delete {}", entry.name)
                    on:click=move |_| desk.ask_delete(stored.get_value())
                >
                    {if again { "Delete" } else { "Stop" }}
                </button>
            </div>
        </li>
    }
}
