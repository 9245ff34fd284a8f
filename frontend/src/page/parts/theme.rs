//! Light and dark. `boot.js` sets a remembered choice before the page is drawn.

use leptos::prelude::*;

use super::glyph::Glyph;

const REMEMBERED: &str = "darkroom-theme";

fn system_is_light() -> bool {
    let query = window().match_media("(prefers-color-scheme: light)");
    query.ok().flatten().is_some_and(|query| query.matches())
}

fn chosen() -> Option<String> {
    document()
        .document_element()
        .and_then(|root| root.get_attribute("data-theme"))
}

/// Shows the page in this theme; what the system wants anyway is not worth remembering.
fn choose(light: bool) {
    let (name, follow) = (
        if light { "light" } else { "dark" },
        light == system_is_light(),
    );
    if let Some(root) = document().document_element() {
        let _ = if follow {
            root.remove_attribute("data-theme")
        } else {
            root.set_attribute("data-theme", name)
        };
    }
    if let Ok(Some(storage)) = window().local_storage() {
        let _ = if follow {
            storage.remove_item(REMEMBERED)
        } else {
            storage.set_item(REMEMBERED, name)
        };
    }
}

/// The switch between them.
#[component]
pub fn ThemeSwitch() -> impl IntoView {
    let light = RwSignal::new(chosen().map_or_else(system_is_light, |name| name == "light"));
    let flip = move |_| {
        light.update(|light| *light = !*light);
        choose(light.get_untracked());
    };
    view! {
        <button
            type="button"
            id="theme"
            class="theme icon"
            aria-label=move || if light.get() { "Use the dark theme" } else { "Use the light theme" }
            on:click=flip
        >
            {move || view! { <Glyph name=if light.get() { "moon" } else { "sun" } /> }}
        </button>
    }
}
