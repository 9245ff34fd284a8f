//! A key's public name as people recognise it: four words and a small drawn pattern.
//!
//! Both come from the key's id. They are a name, not a secret, and not the backup.

use leptos::prelude::*;

use crate::protocol::KeyInfo;

const SIDE: usize = 7;

/// Which of the pattern's cells are filled, row by row: mirrored, for eyes are good at that.
fn cells(key: &[u8; 16]) -> [[bool; SIDE]; SIDE] {
    let half = SIDE.div_ceil(2);
    let bit = |n: usize| key[n / 8] >> (n % 8) & 1 == 1;
    std::array::from_fn(|y| std::array::from_fn(|x| bit(y * half + x.min(SIDE - 1 - x))))
}

/// The pattern and the words.
#[component]
pub fn Fingerprint(key: KeyInfo) -> impl IntoView {
    let squares = cells(&key.id.0)
        .into_iter()
        .enumerate()
        .flat_map(|(y, row)| {
            let filled = row.into_iter().enumerate().filter(|(_, on)| *on);
            filled.map(move |(x, _)| {
                view! { <rect x=(x + 1).to_string() y=(y + 1).to_string() width="1" height="1" /> }
            })
        });
    let lines = key.fingerprint.chunks(2).map(|pair| {
        view! { <span>{pair.join(" ")} <br /></span> }
    });
    let lines = lines.collect_view();
    let words = key.fingerprint.join(" ");
    view! {
        <div class="fingerprint" id="fingerprint" tabindex="-1" data-words=words data-key=key.id.to_string()>
            <svg viewBox="0 0 9 9" shape-rendering="crispEdges" aria-hidden="true">
                {squares.collect_view()}
            </svg>
            <p>
                <span class="unseen">"Your key's fingerprint: "</span>
                {lines}
            </p>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_pattern_is_mirrored_and_shows_the_key() {
        let pattern = cells(&[0b1010_0110; 16]);
        for row in pattern {
            assert!((0..SIDE).all(|x| row[x] == row[SIDE - 1 - x]));
        }
        assert_ne!(pattern, cells(&[0b1010_0111; 16]));
    }
}
