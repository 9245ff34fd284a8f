//! The large key: what it is for, what it costs, and how far it is.

use leptos::prelude::*;

use crate::page::desk::{Desk, desk, making_time};
use crate::page::format;
use crate::page::parts::glyph::Glyph;
use crate::page::parts::large_key::{LargeKeyRing, reason};
use crate::page::parts::problem::Problem;
use crate::protocol::{Cause, LargeKey, LargeKeyState};

/// What is drawn anew when it changes: not every part that is made is another face.
#[derive(Clone, PartialEq)]
enum Face {
    /// The chosen analysis needs none, or there is no key yet.
    Hidden,
    Absent(LargeKey),
    Elsewhere,
    Making,
    Ready(LargeKey),
}

fn face(desk: Desk) -> Face {
    if !desk.has_key() {
        return Face::Hidden;
    }
    if desk.large_key_progress().is_some() {
        return Face::Making;
    }
    match desk.large_key_known() {
        None => Face::Hidden,
        Some(key) => match key.state {
            LargeKeyState::Absent { .. } => Face::Absent(key),
            LargeKeyState::Elsewhere => Face::Elsewhere,
            LargeKeyState::Making(_) => Face::Making,
            LargeKeyState::Ready(_) => Face::Ready(key),
        },
    }
}

fn word(face: &Face) -> &'static str {
    match face {
        Face::Hidden => "hidden",
        Face::Absent(_) => "absent",
        Face::Elsewhere => "elsewhere",
        Face::Making => "making",
        Face::Ready(_) => "ready",
    }
}

/// The large key that the chosen analysis needs.
#[component]
pub fn LargeKeyFacts() -> impl IntoView {
    let desk = desk();
    let face = Memo::new(move |_| face(desk));
    let times = move || match face.get() {
        Face::Ready(LargeKey {
            state: LargeKeyState::Ready(times),
            ..
        }) => times,
        _ => None,
    };
    let ms = |ms: f64| format!("{ms:.0}");
    let shown = move || match face.get() {
        Face::Hidden => ().into_any(),
        Face::Absent(key) => view! { <Absent key=key /> }.into_any(),
        Face::Elsewhere => {
            view! { <p class="quiet">"It is being made in another tab or window."</p> }.into_any()
        }
        Face::Making => view! { <Making /> }.into_any(),
        Face::Ready(key) => view! { <Ready key=key /> }.into_any(),
    };
    view! {
        <section
            class="large-key stack"
            id="large-key"
            aria-labelledby="large-key-heading"
            hidden=move || face.get() == Face::Hidden
            data-state=move || word(&face.get())
            data-made-ms=move || times().map(|times| ms(times.made_ms))
            data-stored-ms=move || times().map(|times| ms(times.stored_ms))
            data-parts-made=move || times().map(|times| times.parts)
            data-makers=move || times().map(|times| times.makers)
        >
            <h3 id="large-key-heading">"Large key"</h3>
            {shown}
            {move || {
                desk.large_key.trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })
            }}
        </section>
    }
}

#[component]
fn Absent(key: LargeKey) -> impl IntoView {
    let desk = desk();
    let title = desk.chosen().map(|card| card.title).unwrap_or_default();
    let (stored, missing_bytes) = match key.state {
        LargeKeyState::Absent {
            stored,
            missing_bytes,
        } => (stored, missing_bytes),
        _ => (0, key.bytes),
    };
    let cost = format!(
        "{} to send, once. Making it takes {}; sending it, as long as your connection needs.",
        format::bytes(missing_bytes),
        format::about(making_time(key.parts - stored, missing_bytes)),
    );
    let begun = (stored > 0).then(|| {
        format!(
            "{stored} of {} parts are on the server already; it goes on from there.",
            key.parts
        )
    });
    let busy = move || desk.running.with(Option::is_some);
    view! {
        <p>
            {format!(
                "“{title}” is a network. To compute it on pictures that it cannot see, the server needs a large key, made here from yours. It opens nothing.",
            )}
        </p>
        <p class="small quiet" id="large-key-cost">{cost}</p>
        {begun.map(|begun| view! { <p class="small quiet" id="large-key-begun">{begun}</p> })}
        <div class="actions">
            <button
                type="button"
                id="make-large-key"
                disabled=busy
                on:click=move |_| desk.make_large_key()
            >
                {if stored > 0 { "Go on" } else { "Make it now" }}
            </button>
        </div>
        <p class="small quiet">"Or just analyse: it is made first."</p>
    }
}

#[component]
fn Making() -> impl IntoView {
    let desk = desk();
    let own = Memo::new(move |_| desk.large_key.making.with(Option::is_some));
    let beside_results = Memo::new(move |_| desk.running.with(Option::is_some));
    let why = move || {
        let progress = desk.large_key_progress();
        progress.and_then(|(_, progress)| reason(progress.cause))
    };
    let stop = move |_| {
        if let Some(making) = desk.large_key.making.get_untracked() {
            making.cancel();
        }
    };
    view! {
        <Show
            when=move || !beside_results.get()
            fallback=|| view! { <p class="quiet">"It is being made for your analysis."</p> }
        >
            <LargeKeyRing />
            <p class="small">{why}</p>
        </Show>
        <Show when=move || own.get()>
            <div class="actions">
                <button type="button" id="cancel-large-key" on:click=stop>
                    "Cancel"
                </button>
            </div>
        </Show>
    }
}

#[component]
fn Ready(key: LargeKey) -> impl IntoView {
    let times = match key.state {
        LargeKeyState::Ready(times) => times,
        _ => None,
    };
    let took = times.map(|times| {
        format!(
            "Made in {}, sent after {}.",
            format::duration(times.made_ms),
            format::duration(times.stored_ms),
        )
    });
    let damaged = times.is_some_and(|times| times.cause == Cause::Damaged);
    let instead = damaged.then_some(" It takes the place of one that was damaged on the server.");
    view! {
        <p class="small checked">
            <Glyph name="check" />
            {format!("On the server, {}", format::bytes(key.bytes))}
        </p>
        <p class="small quiet">
            "It lets the server compute networks on your pictures, and opens nothing. " {took} {instead}
        </p>
    }
}
