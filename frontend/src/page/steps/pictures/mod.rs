//! Station 2: the pictures, and exactly what will be encrypted of them.

use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Response};

use crate::page::desk::{Origin, Tile, TileState, desk};
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::page::parts::glyph::Glyph;
use crate::page::parts::intake;
use crate::page::parts::problem::Problem;
use crate::page::{Here, Station, show};
use crate::protocol::{Grey, Trouble, TroubleKind};

/// Pictures to try, made by the project.
const SAMPLES: [(&str, &str); 3] = [
    ("chest-frontal", "Chest, front"),
    ("chest-lateral", "Chest, side"),
    ("hand", "Hand"),
];

/// The drop zone, the samples, and a tile for each picture.
#[component]
pub fn PicturesStation() -> impl IntoView {
    let desk = desk();
    let empty = Memo::new(move |_| desk.tiles.with(Vec::is_empty));
    view! {
        <Station place=Here::Pictures id="pictures" number="2" title="Pictures">
            <Drop />
            <Show when=move || empty.get()>
                <p class="small quiet">
                    "PNG, JPEG, WebP, GIF, BMP or .npy, several at once. They stay here: only encrypted copies leave."
                </p>
            </Show>
            <Samples />
            <ul class="tiles">
                <For each=move || desk.tiles.get() key=|tile| tile.number let:tile>
                    <TileView tile=tile />
                </For>
            </ul>
        </Station>
    }
}

#[component]
fn Drop() -> impl IntoView {
    let desk = desk();
    let here: Memo<Here> = expect_context();
    let input = NodeRef::<html::Input>::new();
    let some = Memo::new(move |_| desk.tiles.with(|tiles| !tiles.is_empty()));
    let choose = move |_| {
        let Some(input) = input.get_untracked() else {
            return;
        };
        if let Some(files) = input.files() {
            desk.add_files(intake::listed(&files));
        }
        // The same file can be chosen again.
        input.set_value("");
    };
    view! {
        <label class="drop" class:small-drop=move || some.get() class:wanted=move || here.get() == Here::Pictures>
            <Glyph name="add" />
            <span>
                <strong>
                    {move || if some.get() { "Add more pictures" } else { "Drop pictures here" }}
                </strong>
                <span class="quiet">", click to choose, or paste"</span>
            </span>
            <input
                node_ref=input
                type="file"
                id="file-input"
                multiple
                accept="image/*,.npy"
                on:change=choose
            />
        </label>
    }
}

#[component]
fn Samples() -> impl IntoView {
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

#[component]
fn TileView(tile: Tile) -> impl IntoView {
    let desk = desk();
    let (number, name) = (tile.number, tile.name.clone());
    let remove = move |_| {
        desk.remove_tile(number);
        desk.say("Removed.");
        show("pictures");
    };
    let state = tile.state.clone();
    let word = {
        let state = state.clone();
        move || {
            state.with(|state| match state {
                TileState::Waiting => "waiting",
                TileState::Preparing => "preparing",
                TileState::Ready(_) => "ready",
                TileState::Failed(_) => "failed",
            })
        }
    };
    let trouble = Memo::new(move |_| {
        state.with(|state| match state {
            TileState::Failed(trouble) => Some(trouble.clone()),
            _ => None,
        })
    });
    let body = move || match trouble.get() {
        Some(trouble) => view! { <Problem trouble=trouble /> }.into_any(),
        None => view! { <Pair tile=tile.clone() /> }.into_any(),
    };
    view! {
        <li class="tile arriving" data-test="tile" data-state=word>
            <header>
                <p title=name.clone()>{name.clone()}</p>
                <button
                    type="button"
                    class="icon"
                    data-test="remove"
                    aria-label=format!("Remove {name}")
                    on:click=remove
                >
                    <Glyph name="close" />
                </button>
            </header>
            {body}
        </li>
    }
}

/// The original beside what will be encrypted.
#[component]
fn Pair(tile: Tile) -> impl IntoView {
    let state = tile.state.clone();
    let ready = Memo::new(move |_| {
        state.with(|state| match state {
            TileState::Ready(prepared) => Some(prepared.clone()),
            _ => None,
        })
    });
    let picture = Signal::derive(move || {
        ready.with(|ready| ready.as_ref().map(|ready| rgba(&ready.picture)))
    });
    let own_size = move || {
        ready.with(|ready| {
            let size = ready
                .as_ref()
                .map(|r| size(r.original_width, r.original_height));
            size.map_or_else(
                || "Your picture".to_owned(),
                |size| format!("Your picture, {size}"),
            )
        })
    };
    let waiting = tile.state.clone();
    let sent_size = move || {
        ready.with(|ready| match ready {
            Some(ready) => {
                let size = size(ready.picture.width, ready.picture.height);
                format!("What will be encrypted, {size} grey")
            }
            None if waiting.with(|state| *state == TileState::Waiting) => {
                "Shown when an analysis is chosen".to_owned()
            }
            None => "Making it ready …".to_owned(),
        })
    };
    view! {
        <div class="pair">
            <figure>
                <Own tile=tile.clone() />
                <figcaption>{own_size}</figcaption>
            </figure>
            <figure>
                <Pixels
                    picture=picture
                    label=format!("{} as it will be encrypted", tile.name)
                    test="encrypted-preview"
                />
                <figcaption>{sent_size}</figcaption>
            </figure>
        </div>
    }
}

/// The picture as it was brought.
#[component]
fn Own(tile: Tile) -> impl IntoView {
    match &tile.origin {
        Origin::File { address, .. } if !address.is_empty() => {
            view! { <img class="frame" src=address.clone() alt=tile.name.clone() /> }.into_any()
        }
        Origin::File { .. } => view! { <div class="blank">"NumPy array"</div> }.into_any(),
        Origin::Stored { pixels, .. } => {
            let picture = Some(rgba(pixels));
            view! { <Pixels picture=Signal::stored(picture) label=tile.name.clone() /> }.into_any()
        }
    }
}

fn rgba(grey: &Grey) -> Rgba {
    Rgba::grey(grey.width, grey.height, &grey.data)
}

fn size(width: u32, height: u32) -> String {
    format!("{width} × {height}")
}
