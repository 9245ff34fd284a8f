//! The vault's log: checked, newest first.

use darkroom_api::audit::LogEntry;
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::Shared;
use super::log_words::{is_refusal, sentence};
use crate::bridge;
use crate::page::desk::desk;
use crate::page::format;
use crate::page::parts::glyph::Glyph;
use crate::page::parts::problem::Problem;
use crate::page::show;
use crate::protocol::{Chain, LogView, Remembered, Trouble};

const VERDICT: &str = "log-verdict";

#[component]
pub fn LogPart() -> impl IntoView {
    let desk = desk();
    let shared: Shared = expect_context();
    let entries = RwSignal::new(Vec::<LogEntry>::new());
    let busy = RwSignal::new(false);
    let trouble = RwSignal::new(None::<Trouble>);
    let read = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        trouble.set(None);
        spawn_local(async move {
            let log = bridge::log().await;
            busy.try_set(false);
            match log {
                Ok(log) => {
                    desk.say(spoken(&log.chain));
                    entries.try_set(parse(&log.newest));
                    let is_broken = matches!(log.chain, Chain::Broken { .. });
                    shared.log.try_set(Some(log));
                    if is_broken {
                        // It appears above the button, perhaps out of sight.
                        request_animation_frame(|| show(VERDICT));
                    }
                }
                Err(error) => drop(trouble.try_set(Some(error))),
            }
        });
    };
    let older = move |_| {
        let last = entries.with_untracked(|entries| entries.last().map(|entry| entry.number));
        let Some(last) = last else { return };
        spawn_local(async move {
            if let Ok(lines) = bridge::log_before(last).await {
                entries.try_update(|entries| entries.extend(parse(&lines)));
            }
        });
    };
    let left = move || {
        let first = shared
            .log
            .with(|log| match log.as_ref().map(|log| &log.chain) {
                Some(Chain::Holds { first, .. }) => Some(*first),
                _ => None,
            });
        let last = entries.with(|entries| entries.last().map(|entry| entry.number));
        first
            .zip(last)
            .map_or(0, |(first, last)| last.saturating_sub(first))
    };
    view! {
        <section class="stack tight">
            <h3>"Log"</h3>
            <p>
                "The server writes down who did what here. Each entry holds a fingerprint of the one before, so this page sees if the server altered one afterwards."
            </p>
            {move || shared.log.get().map(|log| view! { <Verdict log=log shared=shared /> })}
            <ol class="rows log" id="log" hidden=move || entries.with(Vec::is_empty)>
                <For each=move || entries.get() key=|entry| entry.number let:entry>
                    <Entry entry=entry />
                </For>
            </ol>
            {move || trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
            <div class="actions">
                <Show when=move || { left() > 0 }>
                    <button type="button" id="log-older" on:click=older>
                        {move || format!("Older entries ({})", left())}
                    </button>
                </Show>
                <button type="button" id="log-read" disabled=move || busy.get() on:click=read>
                    {move || match (busy.get(), shared.log.with(Option::is_some)) {
                        (true, _) => "Reading and checking …",
                        (false, false) => "Read and check the log",
                        (false, true) => "Look again",
                    }}
                </button>
            </div>
        </section>
    }
}

fn parse(lines: &[String]) -> Vec<LogEntry> {
    let entries = lines.iter().map(|line| serde_json::from_str(line));
    entries.filter_map(Result::ok).collect()
}

fn spoken(chain: &Chain) -> &'static str {
    match chain {
        Chain::Holds { .. } => "The log is checked: nothing in it was altered.",
        Chain::Broken { .. } => "The log was altered.",
    }
}

/// What the check says of the past that this browser knows.
fn past(past: Remembered) -> String {
    match past {
        Remembered::Nothing => {
            "This browser remembers where it ends, and will notice if this past is ever rewritten."
                .into()
        }
        Remembered::Held(number) => format!(
            "It still holds everything up to entry {number}, where this browser looked last."
        ),
        Remembered::Dropped(number) => format!(
            "Entry {number}, where this browser looked last, is too old to be kept; whether the past up to there is the same cannot be told."
        ),
    }
}

#[component]
fn Verdict(log: LogView, shared: Shared) -> impl IntoView {
    let desk = desk();
    match log.chain {
        Chain::Holds { last: 0, .. } => view! { <p id=VERDICT>"The log is empty."</p> }.into_any(),
        Chain::Holds {
            first,
            last,
            past: seen,
        } => view! {
            <p class="checked" id=VERDICT data-chain="holds">
                <Glyph name="check" />
                {format!("Checked: entries {first} to {last} follow each other unaltered.")}
            </p>
            <p class="small quiet" id="log-past">
                {past(seen)}
            </p>
        }
        .into_any(),
        Chain::Broken { what } => {
            let forget = move |_| {
                spawn_local(async move {
                    if bridge::forget_log().await.is_ok() {
                        shared.log.try_set(None);
                        desk.say("This browser begins anew with the log.");
                    }
                });
            };
            view! {
                <div class="problem" role="alert" tabindex="-1" id=VERDICT data-chain="broken">
                    <p>
                        <strong>"The log is not what it was."</strong>
                    </p>
                    <p class="break">{format!("At the first place: {what}.")}</p>
                    <p>
                        "If you deleted everything on another device, a new log has begun, and all is well. Otherwise somebody changed it on the server: ask whoever runs it. Your pictures stay unreadable to them."
                    </p>
                    <div class="actions">
                        <button type="button" id="log-anew" on:click=forget>
                            "I deleted everything: begin anew"
                        </button>
                    </div>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn Entry(entry: LogEntry) -> impl IntoView {
    #[allow(clippy::cast_precision_loss)] // exact until the year 287396
    let when = format::moment(entry.time_ms as f64);
    let class = if is_refusal(&entry) { "refusal" } else { "" };
    view! {
        <li class=class data-test="log-entry">
            <span>{sentence(&entry)}</span>
            <span class="small quiet">{format!("{when} · {}", entry.number)}</span>
        </li>
    }
}
