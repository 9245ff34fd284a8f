//! The few line drawings of the page.

use leptos::prelude::*;

/// A drawing beside or instead of words; always hidden from readers of the screen.
#[component]
pub fn Glyph(name: &'static str) -> impl IntoView {
    let path = match name {
        "check" => "M4 10.5l4 4 8-9",
        "close" => "M5 5l10 10M15 5L5 15",
        "sun" => {
            "M10 6.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6L16 16M4 16l1.4-1.4M14.6 5.4L16 4"
        }
        "moon" => "M16.5 12A7 7 0 0 1 8 3.5 7 7 0 1 0 16.5 12z",
        "add" => "M10 3v14M3 10h14",
        _ => "",
    };
    view! {
        <svg class="glyph" viewBox="0 0 20 20" aria-hidden="true">
            <path d=path />
        </svg>
    }
}
