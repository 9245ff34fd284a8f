//! Station 1: the key, and the large key where an analysis needs one.

mod backup;
mod forget;
mod large;
mod restore;
mod words;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::page::access::Access;
use crate::page::desk::{Making, desk};
use crate::page::fingerprint::Fingerprint;
use crate::page::parts::glyph::Glyph;
use crate::page::parts::problem::Problem;
use crate::page::parts::ring::Ring;
use crate::page::{Here, Station, focus, format};
use crate::protocol::{Keeping, KeyInfo, KeyStep};
use backup::Backup;
use forget::Forget;
use large::LargeKeyFacts;
use restore::Restore;

#[derive(Clone, PartialEq)]
enum Face {
    Looking,
    Missing,
    Locked,
    Making,
    Here(KeyInfo, Keeping),
}

/// The key: made, shown by its fingerprint, backed up, restored, forgotten.
#[component]
pub fn KeyStation() -> impl IntoView {
    let desk = desk();
    let restoring = RwSignal::new(false);
    let forgetting = RwSignal::new(false);
    let accessing = RwSignal::new(false);
    let face = Memo::new(move |_| {
        if desk.making.with(Option::is_some) {
            return Face::Making;
        }
        desk.status.with(|status| match status {
            None => Face::Looking,
            Some(status) => match &status.key {
                Some(key) => Face::Here(key.clone(), status.keeping),
                None if status.locked => Face::Locked,
                None => Face::Missing,
            },
        })
    });
    let shown = move || match face.get() {
        Face::Looking => view! { <p class="quiet">"Looking for your key …"</p> }.into_any(),
        Face::Missing => view! { <Missing restoring=restoring /> }.into_any(),
        Face::Locked => view! { <Locked restoring=restoring forgetting=forgetting /> }.into_any(),
        Face::Making => view! { <BeingMade /> }.into_any(),
        Face::Here(key, keeping) => view! {
            <Present
                key=key
                keeping=keeping
                restoring=restoring
                forgetting=forgetting
                accessing=accessing
            />
        }
        .into_any(),
    };
    view! {
        <Station place=Here::Key id="key" number="1" title="Key">
            {shown}
            {move || desk.key_trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
            <LargeKeyFacts />
        </Station>
        <Backup />
        <Restore open=restoring />
        <Forget open=forgetting />
        <Access open=accessing />
    }
}

#[component]
fn Missing(restoring: RwSignal<bool>) -> impl IntoView {
    let desk = desk();
    let here: Memo<Here> = expect_context();
    let make = move |_| {
        spawn_local(async move {
            if desk.make_key().await {
                request_animation_frame(|| {
                    if let Some(element) = document().get_element_by_id("fingerprint") {
                        focus(&element);
                    }
                });
            }
        });
    };
    let unkept = move || {
        desk.status.with(|status| {
            status
                .as_ref()
                .is_some_and(|status| status.keeping == Keeping::ThisVisit)
        })
    };
    view! {
        <p>
            "Your key is made here and stays here. It locks your pictures before they leave, and nothing else opens the results."
        </p>
        <div class="actions">
            <button
                type="button"
                id="create-key"
                class:next=move || here.get() == Here::Key
                on:click=make
            >
                "Make my key"
            </button>
            <button
                type="button"
                class="plain"
                id="restore"
                on:click=move |_| restoring.set(true)
            >
                "I have one already"
            </button>
        </div>
        <p class="small quiet">
            "Takes about a second. It is 32 bytes: small enough to write down as 24 words."
        </p>
        <Show when=unkept>
            <NotKept />
        </Show>
    }
}

#[component]
fn NotKept() -> impl IntoView {
    view! {
        <p class="notice" data-test="not-kept">
            "This window keeps nothing (it is private, or storage is switched off): the key goes when you close the tab. Back it up if you want to read the results again."
        </p>
    }
}

#[component]
fn Locked(restoring: RwSignal<bool>, forgetting: RwSignal<bool>) -> impl IntoView {
    view! {
        <div class="problem" data-test="problem" data-kind="Locked">
            <p>
                <strong>"The key in this browser cannot be unlocked any more."</strong>
            </p>
            <p>
                "The browser has lost a part of what protects it. The server still keeps your encrypted pictures and results, and only that key opens them. Bring it back from your 24 words or your file."
            </p>
        </div>
        <div class="actions">
            <button type="button" class="next" id="restore" on:click=move |_| restoring.set(true)>
                "Restore"
            </button>
            <button type="button" class="plain" id="forget" on:click=move |_| forgetting.set(true)>
                "Forget it"
            </button>
        </div>
    }
}

/// What a step does, in words.
fn doing(step: KeyStep) -> &'static str {
    match step {
        KeyStep::Drawing => "Drawing random numbers",
        KeyStep::Deriving => "Making the key and trying it out",
        KeyStep::Keeping => "Putting it away in this browser",
        KeyStep::OpeningVault => "Opening your place on the server",
    }
}

/// The share of the work that lies behind a step's beginning.
fn share(step: KeyStep) -> u32 {
    match step {
        KeyStep::Drawing => 5,
        KeyStep::Deriving => 15,
        KeyStep::Keeping => 75,
        KeyStep::OpeningVault => 85,
    }
}

/// What is probably left, from what the past part took.
fn left(making: &Making) -> String {
    let past_ms = js_sys::Date::now() - making.since_ms;
    let share = f64::from(share(making.step)) / 100.0;
    let left_ms = (past_ms / share * (1.0 - share)).clamp(200.0, 60_000.0);
    format!("{} left", format::about(left_ms))
}

#[component]
fn BeingMade() -> impl IntoView {
    let desk = desk();
    let step = move || {
        desk.making
            .get()
            .map_or(KeyStep::Drawing, |making| making.step)
    };
    let time = move || desk.making.get().map(|making| left(&making));
    let stop = move |_| {
        if let Some(making) = desk.making.get_untracked() {
            making.stop.cancel();
        }
    };
    view! {
        <div class="ring" data-test="making-key">
            <Ring label="Making your key" share=Signal::derive(move || share(step())) />
            <div>
                <p>{move || doing(step())} " …"</p>
                <p class="small quiet">{time}</p>
            </div>
        </div>
        <div class="actions">
            <button type="button" id="cancel-key" on:click=stop>
                "Cancel"
            </button>
        </div>
    }
}

#[component]
fn Present(
    key: KeyInfo,
    keeping: Keeping,
    restoring: RwSignal<bool>,
    forgetting: RwSignal<bool>,
    accessing: RwSignal<bool>,
) -> impl IntoView {
    let desk = desk();
    let backed_up = key.backed_up;
    let backup_state = if backed_up {
        view! {
            <p class="small checked" data-test="backed-up">
                <Glyph name="check" />
                "Backed up"
            </p>
        }
        .into_any()
    } else {
        view! { <p class="small quiet">"Not backed up yet"</p> }.into_any()
    };
    let kept = match keeping {
        Keeping::Persistent => {
            view! { <p class="small quiet">"Kept in this browser, and nowhere else."</p> }.into_any()
        }
        Keeping::BestEffort => view! {
            <p class="small quiet">
                "Kept in this browser, and nowhere else. The browser may clear it when space runs short: a backup guards against that."
            </p>
        }
        .into_any(),
        Keeping::ThisVisit => view! { <NotKept /> }.into_any(),
    };
    view! {
        <Fingerprint key=key />
        <p class="small quiet">
            "Your key's fingerprint, the same on every visit. Another one means another key."
        </p>
        {backup_state}
        {kept}
        <div class="actions">
            <button type="button" id="backup" on:click=move |_| desk.backing_up.set(true)>
                "Back up"
            </button>
            <button type="button" class="plain" id="access" on:click=move |_| accessing.set(true)>
                "Access"
            </button>
            <button type="button" class="plain" id="restore" on:click=move |_| restoring.set(true)>
                "Restore"
            </button>
            <button type="button" class="plain" id="forget" on:click=move |_| forgetting.set(true)>
                "Forget"
            </button>
        </div>
    }
}
