//! The large key on its way: parts, bytes and time in a ring.

use leptos::prelude::*;

use super::ring::Ring;
use crate::page::desk::desk;
use crate::page::format;
use crate::protocol::{Cause, LargeKeyProgress};

/// Why it is made once more, where that needs saying.
pub fn reason(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::Missing => None,
        Cause::Damaged => Some(
            "The server found your large key damaged. It is made again here, from your key; nothing is lost.",
        ),
    }
}

/// How far the large key is, while it is being made.
#[component]
pub fn LargeKeyRing() -> impl IntoView {
    let desk = desk();
    let now = Memo::new(move |_| desk.large_key_progress());
    let share = Signal::derive(move || {
        now.get()
            .map_or(0, |(key, progress)| share(key.parts, &progress))
    });
    let parts = move || {
        now.get()
            .map(|(key, progress)| format!("{} of {} parts", progress.made, key.parts))
    };
    let bytes = move || {
        now.get().map(|(key, progress)| {
            let sent = format::bytes(progress.stored_bytes);
            format!("{sent} of {} sent", format::bytes(key.bytes))
        })
    };
    let left = move || {
        now.get().map(|(_, progress)| {
            let makers = usize::from(progress.makers);
            let cores = format::count(makers, "core");
            format!("{} left, {cores}", format::about(progress.left_ms))
        })
    };
    view! {
        <div class="ring" data-test="making-large-key">
            <Ring label="Making your large key" share=share />
            <div>
                <p>{parts}</p>
                <p class="small">{bytes}</p>
                <p class="small quiet">{left}</p>
            </div>
        </div>
    }
}

/// Making and sending are half of it each.
fn share(parts: u16, progress: &LargeKeyProgress) -> u32 {
    let done = u32::from(progress.made) + u32::from(progress.stored);
    done * 50 / u32::from(parts.max(1))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_ring_is_full_when_all_is_sent_and_not_before() {
        let progress = |made, stored| LargeKeyProgress {
            cause: Cause::Missing,
            made,
            stored,
            stored_bytes: 0,
            makers: 2,
            left_ms: 0.0,
        };
        assert_eq!(share(24, &progress(0, 0)), 0);
        assert_eq!(share(24, &progress(24, 0)), 50);
        assert!(share(24, &progress(24, 23)) < 100);
        assert_eq!(share(24, &progress(24, 24)), 100);
    }
}
