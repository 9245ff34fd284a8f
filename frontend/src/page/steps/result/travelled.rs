//! What the server saw, and how it got there.

use leptos::prelude::*;
use leptos::web_sys::MouseEvent;

use crate::page::format;
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::page::transit::{self, Hops, Way};
use crate::protocol::{Grey, Seen};

/// The picture beside what the server saw of it, and the protection of each hop.
#[component]
pub fn Travelled(
    picture: Grey,
    seen: Seen,
    /// What protected the way when the result came.
    way: ArcRwSignal<Option<Way>>,
) -> impl IntoView {
    let own = Rgba::grey(picture.width, picture.height, &picture.data);
    let noise = Rgba::of_bytes(&seen.sample);
    let shown = seen.sample.len() as u64;
    let sizes = format!("What the server saw: {}", format::bytes(seen.image_bytes));
    let back = format!(
        "{} came back, just as unreadable.",
        format::bytes(seen.result_bytes),
    );
    view! {
        <section class="stack tight" data-test="seen">
            <div class="pair seen">
                <figure>
                    <Pixels picture=Signal::stored(Some(own)) label="What you encrypted" />
                    <figcaption>
                        {format!("What you encrypted: {} × {} pixels", picture.width, picture.height)}
                    </figcaption>
                </figure>
                <figure>
                    <Pixels
                        picture=Signal::stored(Some(noise))
                        label="What the server saw: noise"
                        test="ciphertext"
                    />
                    <figcaption>{sizes}</figcaption>
                </figure>
            </div>
            <p class="small quiet">{back}</p>
            <details>
                <summary class="small">"How it travelled"</summary>
                <HopsThen way=way />
                <p class="small quiet">
                    {format!(
                        "The grey square is drawn from the first {} of the ciphertext itself, a grey value for a byte. Parameter set {}.",
                        format::bytes(shown),
                        seen.parameters.0,
                    )}
                </p>
            </details>
        </section>
    }
}

/// The hops as they were when the result came, if they were seen; they are kept for this visit only.
#[component]
fn HopsThen(way: ArcRwSignal<Option<Way>>) -> impl IntoView {
    let then = Memo::new(move |_| way.get());
    let words = move || match then.with(Option::is_some) {
        true => "What protected each hop when this result came. ",
        false => "What protected each hop when this result came is not known any more. ",
    };
    let kept = Signal::derive(move || then.get().unwrap_or(Way::Looking));
    view! {
        <Show when=move || then.with(Option::is_some)>
            <Hops way=kept />
        </Show>
        <p class="small quiet">
            {words}
            <a href="#protection" on:click=now>
                "How it is now"
            </a>
        </p>
    }
}

fn now(event: MouseEvent) {
    event.prevent_default();
    transit::show();
}
