//! A ring that fills while something takes its time.

use leptos::prelude::*;

/// The ring, as long as 100 is wide.
#[component]
pub fn Ring(
    /// What it is that takes time.
    label: &'static str,
    /// How much of it is done, 0 to 100.
    #[prop(into)]
    share: Signal<u32>,
) -> impl IntoView {
    view! {
        <svg
            viewBox="0 0 36 36"
            role="progressbar"
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=move || share.get().to_string()
        >
            <circle cx="18" cy="18" r="15.9155" />
            <circle
                class="filled"
                cx="18"
                cy="18"
                r="15.9155"
                stroke-dashoffset=move || 100_u32.saturating_sub(share.get()).to_string()
            />
        </svg>
    }
}
