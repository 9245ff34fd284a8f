//! What a model says: in words, in bars, and in scores behind a fold.

use leptos::prelude::*;

use crate::page::format;
use crate::protocol::Answer;

/// The answer in words.
pub fn headline(label: &str, probability: f64) -> String {
    format!("{label}, {}", format::percent(probability))
}

/// Classes with their probabilities, likeliest first.
pub fn ranked(answer: &Answer) -> Vec<(String, f64)> {
    let pairs = answer
        .classes
        .iter()
        .cloned()
        .zip(answer.probabilities.iter().copied());
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    pairs
}

/// The answer beside the picture.
#[component]
pub fn AnswerView(answer: Answer, line: String) -> impl IntoView {
    let best = answer
        .probabilities
        .get(answer.class)
        .copied()
        .unwrap_or(f64::NAN);
    let bars = ranked(&answer).into_iter().map(|(class, share)| {
        view! {
            <li>
                <span>{class}</span>
                <span>{format::percent(share)}</span>
                <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
                    <rect height="4" width=format!("{:.2}", share.clamp(0.0, 1.0) * 100.0) />
                </svg>
            </li>
        }
    });
    view! {
        <div class="answer">
            <p class="small quiet">{line}</p>
            <h3 data-test="headline">{headline(&answer.label, best)}</h3>
            <ol class="bars" aria-label="Probabilities">
                {bars.collect_view()}
            </ol>
            <Scores answer=answer.clone() />
        </div>
    }
}

#[component]
fn Scores(answer: Answer) -> impl IntoView {
    let one = answer.scores.len() == 1 && answer.classes.len() == 2;
    let explained = if one {
        let (a, b) = (&answer.classes[0], &answer.classes[1]);
        format!(
            "One score: above 0 speaks for “{b}”, below 0 for “{a}”. Its logistic function is the probability."
        )
    } else {
        "The softmax of the scores gives the probabilities.".to_owned()
    };
    let names = if one {
        vec!["score".to_owned()]
    } else {
        answer.classes
    };
    let rows = names.into_iter().zip(answer.scores).map(|(name, score)| {
        view! {
            <tr>
                <th scope="row">{name}</th>
                <td class="number">{format!("{score:.4}")}</td>
            </tr>
        }
    });
    view! {
        <details>
            <summary class="small">"Scores"</summary>
            <table data-test="scores">
                <tbody>{rows.collect_view()}</tbody>
            </table>
            <p class="small quiet">{explained}</p>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_likeliest_comes_first() {
        let answer = Answer {
            class: 1,
            label: "b".into(),
            classes: vec!["a".into(), "b".into(), "c".into()],
            probabilities: vec![0.1, 0.7, 0.2],
            scores: vec![0.0, 2.0, 1.0],
        };
        let order: Vec<String> = ranked(&answer)
            .into_iter()
            .map(|(class, _)| class)
            .collect();
        assert_eq!(order, ["b", "c", "a"]);
        assert_eq!(headline("b", 0.7), "b, 70 %");
    }
}
