//! What protects each hop of the way, taken from the connections themselves.

mod hop;
mod look;
mod notes;
mod summary;
#[cfg(test)]
mod trial;
mod verdict;
mod words;

use std::time::Duration;

use leptos::ev::Event;
use leptos::prelude::*;
use leptos::web_sys::Element;

use super::desk::desk;
use super::parts::glyph::Glyph;
use hop::{Address, Hop};
pub use look::{Way, look};
use summary::summary;
use verdict::State;
use words::tell;

/// How often it is looked at while somebody reads it.
const EVERY: Duration = Duration::from_secs(5);
const ID: &str = "protection";

/// At the foot of the page: one line, and the hops behind it.
#[component]
pub fn InTransit() -> impl IntoView {
    let desk = desk();
    let way = desk.way;
    let address = Address::here();
    let open = StoredValue::new(false);
    let tick = set_interval_with_handle(
        move || {
            if open.get_value() && !document().hidden() {
                desk.look_at_way();
            }
        },
        EVERY,
    );
    on_cleanup(move || {
        if let Ok(tick) = tick {
            tick.clear();
        }
    });
    let toggled = move |event: Event| {
        let is_open = event_target::<Element>(&event).has_attribute("open");
        open.set_value(is_open);
        if is_open {
            desk.look_at_way();
        }
    };
    let line = Memo::new(move |_| way.with(|way| summary(way, address)));
    view! {
        <details id=ID data-test="protection" on:toggle=toggled>
            <summary id="in-transit" class="small">
                {line}
            </summary>
            <Hops way=way />
            <p class="small quiet">
                "Read off the connections by those at their ends, who may not see a proxy or a tunnel in between. Beneath all of it, picture and result are encrypted with your key."
            </p>
        </details>
    }
}

/// Opens the foot of the page and goes there.
pub fn show() {
    if let Some(details) = document().get_element_by_id(ID) {
        let _ = details.set_attribute("open", "");
        super::show("in-transit");
    }
}

/// The hops one by one.
#[component]
pub fn Hops(
    /// What is known of them.
    #[prop(into)]
    way: Signal<Way>,
) -> impl IntoView {
    let address = Address::here();
    let why = move || {
        way.with(|way| match way {
            Way::Unseen(why) => Some(notes::why(*why)),
            Way::Looking | Way::Seen(_) => None,
        })
    };
    let rows = Hop::ALL.map(|hop| view! { <HopView hop=hop way=way address=address /> });
    view! {
        {move || why().map(|why| view! { <p class="small" data-test="unseen">{why}</p> })}
        <ul class="hops" role="list">{rows.into_iter().collect_view()}</ul>
    }
}

#[component]
fn HopView(hop: Hop, way: Signal<Way>, address: Address) -> impl IntoView {
    let told = Memo::new(move |_| way.with(|way| tell(hop, way, address)));
    // Drawn anew only when it changes: the ages do every few seconds.
    let line = Memo::new(move |_| told.with(|told| told.line.clone()));
    let verdict = Memo::new(move |_| told.with(|told| (told.state, told.verdict)));
    let notes = Memo::new(move |_| told.with(|told| told.notes.clone()));
    let mark = move || {
        let (state, verdict) = verdict.get();
        let good = matches!(
            state,
            State::Local | State::PostQuantum | State::QuantumKeys
        );
        view! {
            {good.then(|| view! { <Glyph name="check" /> })}
            <strong>{verdict}</strong>
        }
    };
    let notes = move || {
        let notes = notes.get().into_iter();
        notes
            .map(|note| view! { <p class="quiet">{note}</p> })
            .collect_view()
    };
    view! {
        <li data-hop=hop.name() data-state=move || verdict.get().0.name()>
            <p>{line}</p>
            <p class="checked" hidden=move || verdict.get().0 == State::Unknown>
                {mark}
            </p>
            {notes}
        </li>
    }
}
