//! The live region: what just happened, in words, for those who do not see it happen.

use leptos::prelude::*;

/// Speaks through the live region.
#[derive(Clone, Copy)]
pub struct Announcer {
    text: RwSignal<String>,
    spoken_ms: StoredValue<f64>,
}

/// Progress is told at most this often.
const INTERVAL_MS: f64 = 4_000.0;

impl Announcer {
    /// A silent one.
    pub fn new() -> Self {
        Self {
            text: RwSignal::new(String::new()),
            spoken_ms: StoredValue::new(0.0),
        }
    }

    /// Says something that matters.
    pub fn say(self, text: impl Into<String>) {
        let text = text.into();
        self.spoken_ms.set_value(js_sys::Date::now());
        // The same words twice are an event twice: a trailing space makes them new.
        let again = self.text.with_untracked(|old| *old == text);
        self.text
            .set(if again { format!("{text}\u{a0}") } else { text });
    }

    /// Says how far something is, unless something was said a moment ago.
    pub fn progress(self, text: impl FnOnce() -> String) {
        if js_sys::Date::now() - self.spoken_ms.get_value() > INTERVAL_MS {
            self.say(text());
        }
    }
}

/// The announcer of this page.
pub fn announcer() -> Announcer {
    expect_context()
}

/// The region itself.
#[component]
pub fn LiveRegion() -> impl IntoView {
    let text = announcer().text;
    view! {
        <div id="announce" class="unseen" role="status" aria-live="polite" aria-atomic="true">
            {move || text.get()}
        </div>
    }
}
