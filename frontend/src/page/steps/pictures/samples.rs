//! Pictures to try, for who has none at hand.

use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Response};

use crate::page::desk::desk;
use crate::page::parts::problem::Problem;
use crate::protocol::{Trouble, TroubleKind};

/// Pictures to try, made by the project.
const SAMPLES: [(&str, &str); 3] = [
    ("chest-frontal", "Chest, front"),
    ("chest-lateral", "Chest, side"),
    ("hand", "Hand"),
];

/// The samples that the server has.
#[component]
pub fn Samples() -> impl IntoView {
    let missing = RwSignal::new(0_usize);
    let trouble = RwSignal::new(None::<Trouble>);
    let buttons = SAMPLES.map(|(file, title)| {
        view! { <Sample file=file title=title missing=missing trouble=trouble /> }
    });
    view! {
        <div class="stack tight" hidden=move || missing.get() == SAMPLES.len()>
            <p class="small quiet" id="samples-label">
                "None at hand? Try one of ours."
            </p>
            <div class="samples" role="group" aria-labelledby="samples-label">
                {buttons.collect_view()}
            </div>
        </div>
        {move || trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
    }
}

#[component]
fn Sample(
    file: &'static str,
    title: &'static str,
    missing: RwSignal<usize>,
    trouble: RwSignal<Option<Trouble>>,
) -> impl IntoView {
    let desk = desk();
    let gone = RwSignal::new(false);
    let address = format!("/samples/{file}.png");
    let source = address.clone();
    let add = move |_| {
        let address = address.clone();
        spawn_local(async move {
            match fetch(&address).await {
                Some(blob) => {
                    trouble.set(None);
                    desk.add_files(vec![(format!("{file}.png"), blob)]);
                }
                None => trouble.set(Some(not_fetched())),
            }
        });
    };
    let lost = move |_| {
        gone.set(true);
        missing.update(|missing| *missing += 1);
    };
    view! {
        <button
            type="button"
            hidden=move || gone.get()
            data-test="sample"
            data-sample=file
            on:click=add
        >
            <img src=source alt="" on:error=lost />
            {title}
        </button>
    }
}

async fn fetch(address: &str) -> Option<Blob> {
    let response = JsFuture::from(window().fetch_with_str(address))
        .await
        .ok()?;
    let response: Response = response.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    let blob = JsFuture::from(response.blob().ok()?).await.ok()?;
    blob.dyn_into().ok()
}

fn not_fetched() -> Trouble {
    Trouble {
        kind: TroubleKind::Unreachable,
        what: "The sample did not arrive.".into(),
        data: "Nothing of yours is affected.".into(),
        todo: "Try again, or use a picture of your own.".into(),
    }
}
