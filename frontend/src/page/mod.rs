//! What people see: one page, four stations, and the history underneath.

mod access;
mod desk;
mod digit;
mod fingerprint;
mod format;
mod history;
mod parts;
mod save;
mod steps;
mod transit;

use leptos::prelude::*;
use leptos::web_sys::{CustomEvent, Element, HtmlElement};
use wasm_bindgen::JsCast;

use desk::{Desk, desk};
use history::History;
use parts::announce::{Announcer, LiveRegion};
use parts::ask::Ask;
use parts::banner::Banner;
use parts::intake;
use parts::theme::ThemeSwitch;
use steps::{AnalysisStation, KeyStation, PicturesStation, ResultStation};
use transit::InTransit;

/// Puts the page in its place and takes away what stood there before.
pub fn open() {
    std::panic::set_hook(Box::new(|what| {
        leptos::logging::error!("{what}");
        tell("darkroom-stopped");
    }));
    let place = document().get_element_by_id("page");
    let Some(place) = place.and_then(|place| place.dyn_into::<HtmlElement>().ok()) else {
        return;
    };
    leptos::mount::mount_to(place, Page).forget();
    tell("darkroom-open");
}

/// Tells `boot.js` how the page is.
fn tell(event: &str) {
    if let Ok(event) = CustomEvent::new(event) {
        let _ = document().dispatch_event(&event);
    }
}

/// Gives an element the focus, if it can have it.
fn focus(element: &Element) {
    if let Some(element) = element.dyn_ref::<HtmlElement>() {
        let _ = element.focus();
    }
}

/// Brings a part of the page into view and the focus to it.
fn show(id: &str) {
    if let Some(element) = document().get_element_by_id(id) {
        element.scroll_into_view();
        focus(&element);
    }
}

/// Where the next step is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    Key,
    Pictures,
    Analysis,
    Result,
}

/// The one place where something is to be done next.
fn here(desk: Desk) -> Here {
    let nothing_due = || desk.due().is_empty();
    if desk.running.get().is_some() {
        Here::Result
    } else if !nothing_due() {
        Here::Analysis
    } else if desk.making.get().is_some() || !desk.has_key() {
        Here::Key
    } else if desk.runs.with(Vec::is_empty) {
        Here::Pictures
    } else {
        Here::Result
    }
}

#[component]
fn Page() -> impl IntoView {
    provide_context(Announcer::new());
    provide_context(Desk::new());
    let desk = desk();
    let here = Memo::new(move |_| here(desk));
    provide_context(here);
    let over = intake::listen(desk);
    desk.begin();
    view! {
        <a class="skip" href="#pictures">
            "To the pictures"
        </a>
        <div class="page" class:over=move || over.get()>
            <header class="top">
                <div>
                    <h1 class="wordmark">"Darkroom"</h1>
                    <p>
                        "Your picture is encrypted here, analysed there without being seen, and the result is opened here."
                    </p>
                </div>
                <ThemeSwitch />
            </header>
            <Banner />
            <main class="desk">
                <KeyStation />
                <PicturesStation />
                <AnalysisStation />
                <ResultStation />
            </main>
            <History />
            <footer class="foot">
                <InTransit />
            </footer>
        </div>
        <Ask />
        <LiveRegion />
    }
}

/// A station: a numbered heading and what belongs to it.
#[component]
fn Station(
    place: Here,
    id: &'static str,
    number: &'static str,
    title: &'static str,
    #[prop(optional)] class: &'static str,
    children: Children,
) -> impl IntoView {
    let here: Memo<Here> = expect_context();
    let class = format!("station {class}");
    let heading = format!("{id}-heading");
    view! {
        <section
            class=class
            class:here=move || here.get() == place
            id=id
            tabindex="-1"
            aria-labelledby=heading.clone()
        >
            <h2 id=heading.clone()>
                <span aria-hidden="true">{number}</span>
                {title}
            </h2>
            <div class="stack">{children()}</div>
        </section>
    }
}
