//! The way of a picture as one thin bar: encrypt, send, wait, compute, fetch, decrypt.

use leptos::prelude::*;

use super::Picture;
use crate::page::desk::{Run, RunState, Under, doing};
use crate::page::format;
use crate::protocol::{Seen, Stage, StageTimes};

/// One part of the bar.
#[derive(Clone, Copy, PartialEq)]
struct Part {
    x: f64,
    width: f64,
    now: bool,
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Encrypt => "encrypt",
        Stage::Send => "send",
        Stage::Wait => "wait",
        Stage::Compute => "compute",
        Stage::Fetch => "fetch",
        Stage::Decrypt => "decrypt",
    }
}

/// While it moves: a sixth for every stage.
fn moving(now: Option<Stage>) -> Vec<Part> {
    let slot = 100.0 / 6.0;
    let begun = Stage::ALL
        .into_iter()
        .take_while(|stage| now.is_some_and(|now| *stage <= now));
    let part = |(x, stage)| Part {
        x,
        width: slot - 0.6,
        now: Some(stage) == now,
    };
    (0..6)
        .map(|i| slot * f64::from(i))
        .zip(begun)
        .map(part)
        .collect()
}

/// When it is over: as wide as the stage was long, and never too thin to see.
fn finished(times: &StageTimes) -> Vec<Part> {
    let known = Stage::ALL.map(|stage| times.of(stage).unwrap_or_default().max(0.0));
    let total: f64 = known.iter().sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let thin = 1.0;
    let room = 100.0 - thin * 6.0;
    let mut x = 0.0;
    let part = |ms: f64| {
        let width = thin + room * ms / total;
        let part = Part {
            x,
            width,
            now: false,
        };
        x += width;
        part
    };
    known.map(part).to_vec()
}

#[component]
fn Bar(#[prop(into)] parts: Signal<Vec<Part>>) -> impl IntoView {
    let rects = move || {
        let parts = parts.get().into_iter().map(|part| {
            view! {
                <rect
                    x=format!("{:.2}", part.x)
                    width=format!("{:.2}", part.width)
                    height="6"
                    class:now=part.now
                />
            }
        });
        parts.collect_view()
    };
    view! {
        <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
            {rects}
        </svg>
    }
}

/// A picture on its way.
#[component]
pub fn Progress(run: Run) -> impl IntoView {
    let state = run.state.clone();
    let under = Memo::new(move |_| {
        state.with(|state| match state {
            RunState::Under(under) => Some(*under),
            _ => None,
        })
    });
    let parts = Signal::derive(move || moving(under.get().map(|under| under.stage)));
    let line = format!("{} · {}", run.name, run.model_title);
    let headline = move || {
        under
            .get()
            .map_or_else(|| "waiting to begin".to_owned(), now)
    };
    view! {
        <div class="developed">
            <figure>
                <Picture run=run pixels=None />
            </figure>
            <div class="answer">
                <p class="small quiet">{line}</p>
                <div class="stages" data-test="progress">
                    <p>{headline} " …"</p>
                    <Bar parts=parts />
                    <ul>{move || behind(under.get())}</ul>
                </div>
            </div>
        </div>
    }
}

/// What happens now, in words.
fn now(under: Under) -> String {
    let bytes = under
        .bytes
        .map(|bytes| format!(", {}", format::bytes(bytes)));
    format!(
        "{}{}",
        capital(doing(under.stage)),
        bytes.unwrap_or_default()
    )
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// The stages that are over, with what they took.
fn behind(under: Option<Under>) -> impl IntoView {
    let times = under.map(|under| under.times).unwrap_or_default();
    let known = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, times.of(stage)?)));
    known
        .map(|(stage, ms)| view! { <li>{item(stage, ms, None)}</li> })
        .collect_view()
}

fn item(stage: Stage, ms: f64, bytes: Option<u64>) -> String {
    let bytes = bytes
        .map(|bytes| format!(", {}", format::bytes(bytes)))
        .unwrap_or_default();
    format!("{} {}{bytes}", name(stage), format::duration(ms))
}

/// How long each stage took.
#[component]
pub fn Finished(times: StageTimes, seen: Seen) -> impl IntoView {
    let bytes = |stage| match stage {
        Stage::Send => Some(seen.image_bytes),
        Stage::Fetch => Some(seen.result_bytes),
        _ => None,
    };
    let known: Vec<_> = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, times.of(stage)?)))
        .collect();
    if known.is_empty() {
        return view! {
            <p class="small quiet">"How long it took was noted on the device that ran it."</p>
        }
        .into_any();
    }
    let total = format::duration(known.iter().map(|(_, ms)| ms).sum());
    let items = known.into_iter().map(|(stage, ms)| {
        view! { <li>{item(stage, ms, bytes(stage))}</li> }
    });
    view! {
        <section class="stages" data-test="stages">
            <p class="small">"How long it took: " {total}</p>
            <Bar parts=Signal::stored(finished(&times)) />
            <ul>{items.collect_view()}</ul>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_at_the_end_and_shows_every_stage() {
        let times = StageTimes {
            encrypt_ms: Some(20.0),
            send_ms: Some(5.0),
            wait_ms: Some(0.0),
            compute_ms: Some(2.0),
            fetch_ms: Some(4.0),
            decrypt_ms: Some(0.1),
        };
        let parts = finished(&times);
        assert_eq!(parts.len(), 6);
        let end = parts
            .last()
            .map(|part| part.x + part.width)
            .unwrap_or_default();
        assert!((end - 100.0).abs() < 1e-9);
        assert!(parts.iter().all(|part| part.width >= 1.0));
        assert!(finished(&StageTimes::default()).is_empty());
    }

    #[test]
    fn the_stage_that_runs_is_the_last_one_drawn() {
        assert!(moving(None).is_empty());
        let parts = moving(Some(Stage::Wait));
        assert_eq!(parts.len(), 3);
        assert!(parts[2].now && !parts[1].now);
    }
}
