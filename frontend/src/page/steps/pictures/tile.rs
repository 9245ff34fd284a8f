//! A picture on the desk: the original beside exactly what will be encrypted.

use leptos::prelude::*;

use crate::page::desk::{Origin, Tile, TileState, desk, reads_digits};
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::page::parts::glyph::Glyph;
use crate::page::parts::problem::Problem;
use crate::page::show;
use crate::protocol::Grey;

/// A picture, with a way to take it off the desk.
#[component]
pub fn TileView(tile: Tile) -> impl IntoView {
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
        None => view! {
            <Pair tile=tile.clone() />
            <Invert tile=tile.clone() />
        }
        .into_any(),
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
    let drawn = matches!(tile.origin, Origin::Drawn(_));
    let own_size = move || {
        ready.with(|ready| {
            let size = ready
                .as_ref()
                .map(|r| size(r.original_width, r.original_height));
            match size {
                _ if drawn => "Your drawing".to_owned(),
                None => "Your picture".to_owned(),
                Some(size) => format!("Your picture, {size}"),
            }
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

/// Offers to exchange black and white where a model reads light digits on dark, and this is dark on
/// light.
#[component]
fn Invert(tile: Tile) -> impl IntoView {
    let desk = desk();
    let (state, inverted) = (tile.state.clone(), tile.inverted.clone());
    let offered = Memo::new(move |_| {
        let digits = desk.chosen().is_some_and(|card| reads_digits(&card));
        let dark_on_light = || {
            state.with(|state| match state {
                TileState::Ready(ready) => ready.dark_on_light,
                _ => false,
            })
        };
        inverted.get() || digits && dark_on_light()
    });
    let tile = StoredValue::new(tile);
    let on = move || tile.with_value(|tile| tile.inverted.get());
    view! {
        <Show when=move || offered.get()>
            <p class="small quiet">
                {move || {
                    if on() {
                        "Black and white are exchanged."
                    } else {
                        "Dark on light. This analysis learned from light digits on dark."
                    }
                }}
            </p>
            <div class="actions">
                <button
                    type="button"
                    data-test="invert"
                    aria-pressed=move || on().to_string()
                    on:click=move |_| tile.with_value(|tile| desk.invert(tile))
                >
                    "Invert"
                </button>
            </div>
        </Show>
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
        Origin::Drawn(drawing) => {
            let drawing = drawing.clone();
            let address = move || drawing.with(|drawing| drawing.address.clone());
            view! { <img class="frame" src=address alt=tile.name.clone() /> }.into_any()
        }
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
