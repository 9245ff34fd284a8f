//! What the server saw, and how it got there.

use leptos::prelude::*;

use crate::page::format;
use crate::page::parts::canvas::{Pixels, Rgba};
use crate::protocol::{Grey, Seen};

/// The picture beside what the server saw of it, and the protection of each hop.
#[component]
pub fn Travelled(picture: Grey, seen: Seen) -> impl IntoView {
    let own = Rgba::grey(picture.width, picture.height, &picture.data);
    let noise = Rgba::of_bytes(&seen.sample);
    let shown = seen.sample.len() as u64;
    let sizes = format!("What the server saw: {}", format::bytes(seen.image_bytes));
    let back = format!(
        "{} came back, just as unreadable.",
        format::bytes(seen.result_bytes),
    );
    let hops = hops().into_iter().map(|hop| view! { <li>{hop}</li> });
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
                <ul class="hops">{hops.collect_view()}</ul>
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

/// What this page can know of the way.
fn hops() -> Vec<String> {
    let location = window().location();
    let host = location.hostname().unwrap_or_default();
    let first = first_hop(&location.protocol().unwrap_or_default(), &host);
    let rest = "From there to storage and compute: this page cannot see how that is protected. What passes is encrypted with your key in any case.";
    vec![first, rest.to_owned()]
}

fn first_hop(protocol: &str, host: &str) -> String {
    let local = host == "localhost" || host == "[::1]" || host.starts_with("127.");
    if protocol == "https:" {
        format!("From this browser to {host}: encrypted once more, by HTTPS.")
    } else if local {
        format!("From this browser to {host}: plain HTTP, within this computer.")
    } else {
        format!(
            "From this browser to {host}: plain HTTP. Picture and result are encrypted with your key, but somebody on the way could alter this page itself. For pictures that matter, use an address with https."
        )
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn no_hop_is_called_safer_than_it_is() {
        assert!(first_hop("http:", "localhost").contains("within this computer"));
        assert!(first_hop("http:", "10.0.0.7").contains("could alter"));
        assert!(first_hop("http:", "localhost.example.org").contains("could alter"));
        assert!(first_hop("https:", "example.org").contains("HTTPS"));
    }
}
