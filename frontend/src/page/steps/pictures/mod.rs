//! Station 2: the pictures, and exactly what will be encrypted of them.

mod pad;
mod samples;
mod sheet;
mod tile;

use leptos::html;
use leptos::prelude::*;

use crate::page::desk::{desk, reads_digits};
use crate::page::parts::glyph::Glyph;
use crate::page::parts::intake;
use crate::page::{Here, Station};
use pad::Pad;
use samples::Samples;
use tile::TileView;

/// The drop zone, the pad or the samples, and a tile for each picture.
#[component]
pub fn PicturesStation() -> impl IntoView {
    let desk = desk();
    let empty = Memo::new(move |_| desk.tiles.with(Vec::is_empty));
    let digits = Memo::new(move |_| desk.chosen().is_some_and(|card| reads_digits(&card)));
    view! {
        <Station place=Here::Pictures id="pictures" number="2" title="Pictures">
            <Show when=move || digits.get()>
                <Pad />
            </Show>
            <Drop digits=digits />
            <Show when=move || empty.get()>
                <p class="small quiet">
                    "PNG, JPEG, WebP, GIF, BMP or .npy, several at once. They stay here: only encrypted copies leave."
                </p>
            </Show>
            <Show when=move || !digits.get()>
                <Samples />
            </Show>
            <ul class="tiles">
                <For each=move || desk.tiles.get() key=|tile| tile.number let:tile>
                    <TileView tile=tile />
                </For>
            </ul>
        </Station>
    }
}

#[component]
fn Drop(digits: Memo<bool>) -> impl IntoView {
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
        <label class="drop" class:small-drop=move || some.get() || digits.get() class:wanted=move || here.get() == Here::Pictures>
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
