//! How full the vault is.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Asked, Shared};
use crate::bridge;
use crate::page::format;
use crate::page::parts::problem::Problem;
use crate::protocol::VaultState;

#[component]
pub fn Space() -> impl IntoView {
    let shared: Shared = expect_context();
    let state = RwSignal::new(Asked::<VaultState>::Waiting);
    Effect::new(move || {
        shared.changed.get();
        spawn_local(async move {
            state.try_set(match bridge::vault().await {
                Ok(vault) => Asked::Here(vault),
                Err(trouble) => Asked::Failed(trouble),
            });
        });
    });
    let shown = move || match state.get() {
        Asked::Waiting => view! { <p class="quiet">"Asking the server …"</p> }.into_any(),
        Asked::Failed(trouble) => view! { <Problem trouble=trouble /> }.into_any(),
        Asked::Here(state) => view! { <Facts state=state /> }.into_any(),
    };
    view! {
        <section class="stack tight" id="space">
            <h3>"Room"</h3>
            {shown}
        </section>
    }
}

/// How long something is kept, in words.
fn kept(what: &str, ms: u64) -> String {
    let days = ms / 86_400_000;
    let hours = ms.div_ceil(3_600_000);
    let time = match days {
        0..2 => format::count(usize::try_from(hours).unwrap_or(usize::MAX), "hour"),
        _ => format!("{days} days"),
    };
    format!("The server deletes {what} by itself after {time}.")
}

#[component]
fn Facts(state: VaultState) -> impl IntoView {
    let vault = state.vault;
    let bytes = format::bytes(vault.bytes);
    let room = match vault.bytes_max {
        Some(most) => format!("{bytes} of {}", format::bytes(most)),
        None => bytes,
    };
    let objects = format!("{} of {} objects", vault.objects, vault.objects_max);
    let times = match (vault.images_kept_ms, vault.results_kept_ms) {
        (Some(images), Some(results)) if images == results => {
            vec![kept("pictures and results", images)]
        }
        (images, results) => {
            let images = images.map(|ms| kept("pictures", ms));
            images
                .into_iter()
                .chain(results.map(|ms| kept("results", ms)))
                .collect()
        }
    };
    view! {
        <p id="space-used">{format!("{room} and {objects} are used.")}</p>
        {times.into_iter().map(|line| view! { <p class="small">{line}</p> }).collect_view()}
        <p class="small quiet">
            "A picture and its result are two objects. Their room is free again as soon as you delete them."
        </p>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn times_read_well() {
        assert!(kept("results", 3_600_000).ends_with("after 1 hour."));
        assert!(kept("results", 30 * 86_400_000).ends_with("after 30 days."));
    }
}
