//! The way of a picture as one thin bar: encrypt, send, wait, compute, fetch, decrypt; before them the
//! large key, where it was made on the way.

use leptos::prelude::*;

use super::Picture;
use crate::page::desk::{Run, RunState, Under, desk, doing, share_computed};
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
        Stage::LargeKey => "large key",
        Stage::Encrypt => "encrypt",
        Stage::Send => "send",
        Stage::Wait => "wait",
        Stage::Compute => "compute",
        Stage::Fetch => "fetch",
        Stage::Decrypt => "decrypt",
    }
}

/// How wide a stage is drawn while it moves, in units.
fn weight(stage: Stage, network: bool) -> f64 {
    match stage {
        Stage::LargeKey => 3.0,
        Stage::Compute if network => 5.0,
        _ => 1.0,
    }
}

/// While it moves: the stages that have begun, the one that runs as full as it is far.
fn moving(now: Option<Stage>, large_key: bool, computed: Option<f64>) -> Vec<Part> {
    let network = computed.is_some();
    let stages = Stage::ALL.into_iter();
    let stages: Vec<Stage> = stages
        .filter(|stage| large_key || *stage != Stage::LargeKey)
        .collect();
    let total: f64 = stages.iter().map(|stage| weight(*stage, network)).sum();
    let gap = 0.6;
    let mut x = 0.0;
    let begun = stages
        .into_iter()
        .take_while(|stage| now.is_some_and(|now| *stage <= now));
    let part = |stage| {
        let slot = weight(stage, network) / total * 100.0;
        let now = Some(stage) == now;
        let full = match computed {
            Some(share) if now && stage == Stage::Compute => share.clamp(0.02, 1.0),
            _ => 1.0,
        };
        let part = Part {
            x,
            width: (slot - gap) * full,
            now,
        };
        x += slot;
        part
    };
    begun.map(part).collect()
}

/// When it is over: as wide as the stage was long, and never too thin to see.
fn finished(times: &StageTimes) -> Vec<Part> {
    let stages = Stage::ALL.into_iter();
    let known: Vec<f64> = stages
        .filter(|stage| *stage != Stage::LargeKey || times.large_key_ms.is_some())
        .map(|stage| times.of(stage).unwrap_or_default().max(0.0))
        .collect();
    let total: f64 = known.iter().sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let thin = 1.0;
    let room = known.iter().fold(100.0, |room, _| room - thin);
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
    known.into_iter().map(part).collect()
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
    let (desk, model) = (desk(), run.model.clone());
    // The models may come after what is told of a run from an earlier visit.
    let of = Memo::new(move |_| desk.bootstraps(&model));
    let share = move |under: Under| share_computed(under.bootstraps_done, of.get());
    let parts = Signal::derive(move || {
        let under = under.get();
        let large_key = under.is_some_and(|under| {
            under.stage == Stage::LargeKey || under.times.large_key_ms.is_some()
        });
        let computed = (of.get() > 0).then(|| under.map_or(0.0, share));
        moving(under.map(|under| under.stage), large_key, computed)
    });
    let line = format!("{} · {}", run.name, run.model_title);
    let pixels = run.pixels.clone();
    let headline = move || {
        under
            .get()
            .map_or_else(|| "waiting to begin".to_owned(), now)
    };
    view! {
        <div class="developed">
            <figure>
                <Picture run=run pixels=pixels />
            </figure>
            <div class="answer">
                <p class="small quiet">{line}</p>
                <div class="stages" data-test="progress">
                    <p>{headline} " …"</p>
                    <Bar parts=parts />
                    <ul>{move || behind(under.get())}</ul>
                    <Steps under=under of=of />
                </div>
            </div>
        </div>
    }
}

/// How far compute is, for those who want to know.
#[component]
fn Steps(under: Memo<Option<Under>>, of: Memo<u64>) -> impl IntoView {
    let computing = Memo::new(move |_| {
        of.get() > 0 && under.with(|under| under.is_some_and(|under| under.stage == Stage::Compute))
    });
    let done = move || under.get().map_or(0, |under| under.bootstraps_done);
    view! {
        <Show when=move || computing.get()>
            <details>
                <summary class="small">"What it is doing"</summary>
                <p class="small quiet" data-test="bootstraps" data-done=done data-of=move || of.get()>
                    {move || {
                        format!(
                            "Step {} of {}. Each step is a bootstrap: a function of the network looked up in an encrypted table, which also takes the noise out of the number.",
                            done(),
                            of.get(),
                        )
                    }}
                </p>
            </details>
        </Show>
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
        <section
            class="stages"
            data-test="stages"
            data-large-key-ms=times.large_key_ms.map(|ms| format!("{ms:.0}"))
            data-compute-ms=times.compute_ms.map(|ms| format!("{ms:.1}"))
        >
            <p class="small">"How long it took: " {total}</p>
            <Bar parts=Signal::stored(finished(&times)) />
            <ul>{items.collect_view()}</ul>
        </section>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn end(parts: &[Part]) -> f64 {
        parts
            .last()
            .map(|part| part.x + part.width)
            .unwrap_or_default()
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_bar_is_full_at_the_end_and_shows_every_stage() {
        let mut times = StageTimes {
            large_key_ms: None,
            encrypt_ms: Some(20.0),
            send_ms: Some(5.0),
            wait_ms: Some(0.0),
            compute_ms: Some(2.0),
            fetch_ms: Some(4.0),
            decrypt_ms: Some(0.1),
        };
        for (large_key_ms, count) in [(None, 6), (Some(4000.0), 7)] {
            times.large_key_ms = large_key_ms;
            let parts = finished(&times);
            assert_eq!(parts.len(), count);
            assert!((end(&parts) - 100.0).abs() < 1e-9);
            assert!(parts.iter().all(|part| part.width >= 1.0));
        }
        assert!(finished(&StageTimes::default()).is_empty());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_stage_that_runs_is_the_last_one_drawn() {
        assert!(moving(None, false, None).is_empty());
        let parts = moving(Some(Stage::Wait), false, None);
        assert_eq!(parts.len(), 3);
        assert!(parts[2].now && !parts[1].now);
        assert_eq!(moving(Some(Stage::Wait), true, None).len(), 4);
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn computing_fills_its_part_as_it_goes() {
        let width = |share| end(&moving(Some(Stage::Compute), true, Some(share)));
        assert!(width(0.0) < width(0.5) && width(0.5) < width(1.0));
        let fetching = moving(Some(Stage::Fetch), true, Some(0.0));
        assert!(
            (fetching[4].width - moving(Some(Stage::Compute), true, Some(1.0))[4].width).abs()
                < 1e-9
        );
        assert!(width(1.0) < 100.0);
    }
}
