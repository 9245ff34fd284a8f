//! Station 3: what to find out.

use darkroom_api::compute::{Accuracy, Catalogue, InputCard, ModelCard, RefusedModel};
use leptos::prelude::*;

use crate::page::desk::{Desk, Loaded, desk, making_time, obstacle};
use crate::page::parts::problem::Problem;
use crate::page::{Here, Station, format};
use crate::protocol::LargeKeyState;

/// The models as cards, and the button that runs the chosen one.
#[component]
pub fn AnalysisStation() -> impl IntoView {
    let desk = desk();
    let cards = move || match desk.catalogue.get() {
        Loaded::Loading => {
            view! { <p class="quiet">"Asking the server what it offers …"</p> }.into_any()
        }
        Loaded::Failed(trouble) => view! {
            <Problem trouble=trouble>
                <button type="button" on:click=move |_| desk.load_catalogue()>
                    "Ask again"
                </button>
            </Problem>
        }
        .into_any(),
        Loaded::Ready(catalogue) => view! { <Cards catalogue=catalogue /> }.into_any(),
    };
    view! {
        <Station place=Here::Analysis id="analysis" number="3" title="Analysis">
            {cards}
            <Go />
        </Station>
    }
}

#[component]
fn Cards(catalogue: Catalogue) -> impl IntoView {
    if catalogue.models.is_empty() {
        return view! {
            <p>
                "This server offers no analysis yet. Whoever runs it can add one; your pictures can wait here."
            </p>
            <Refused models=catalogue.refused />
        }
        .into_any();
    }
    let cards = catalogue
        .models
        .into_iter()
        .map(|card| view! { <Card card=card /> });
    view! {
        <fieldset class="models">
            <legend class="unseen">"Which analysis?"</legend>
            {cards.collect_view()}
        </fieldset>
        <Refused models=catalogue.refused />
    }
    .into_any()
}

#[component]
fn Refused(models: Vec<RefusedModel>) -> impl IntoView {
    (!models.is_empty()).then(|| {
        let title = format!(
            "{} on the server cannot be used",
            format::count(models.len(), "model")
        );
        let rows = models.into_iter().map(|model| {
            view! {
                <li>
                    <strong>{model.folder}</strong>
                    ": "
                    {model.reason}
                </li>
            }
        });
        view! {
            <details>
                <summary class="small">{title}</summary>
                <ul class="small stack tight">{rows.collect_view()}</ul>
            </details>
        }
    })
}

#[component]
fn Card(card: ModelCard) -> impl IntoView {
    let desk = desk();
    let (id, field) = (card.id.clone(), format!("model-{}", card.id));
    let obstacle = obstacle(&card);
    let checked = {
        let id = id.clone();
        move || desk.model.with(|model| model.as_ref() == Some(&id))
    };
    let facts = format!("{field}-facts");
    let accuracy = card.accuracy.as_ref().map_or_else(
        || "Nobody has measured how often it is right.".to_owned(),
        accuracy_line,
    );
    let choose = {
        let id = id.clone();
        move |_| desk.choose(id.clone())
    };
    view! {
        <div class="model" data-test="model" data-model=id.to_string()>
            <input
                type="radio"
                name="model"
                id=field.clone()
                value=id.to_string()
                disabled=obstacle.is_some()
                aria-describedby=facts.clone()
                prop:checked=checked
                on:change=choose
            />
            <div>
                <label for=field>
                    <strong>{card.title.clone()}</strong>
                </label>
                <div id=facts class="stack tight">
                    <p>{card.purpose.clone()}</p>
                    {obstacle.map(|why| view! { <p class="notice">{why}</p> })}
                    <p class="small quiet">{accuracy}</p>
                    <p class="small quiet">{cost_line(&card)}</p>
                    {card.notice.clone().map(|notice| view! { <p class="notice">{notice}</p> })}
                </div>
                <About card=card />
            </div>
        </div>
    }
}

/// How often a model is right, and on what.
fn accuracy_line(accuracy: &Accuracy) -> String {
    let share = format::percent(accuracy.value);
    let mut line = format!(
        "Right on {share} of {} pictures it had not seen",
        accuracy.images
    );
    if let Some(balanced) = accuracy.balanced {
        line.push_str(&format!(
            " ({} with every kind counted alike)",
            format::percent(balanced)
        ));
    }
    line + "."
}

/// What a picture costs: bytes, time, keys.
fn cost_line(card: &ModelCard) -> String {
    let key = card.evaluation_key.map_or_else(
        || "no large key".to_owned(),
        |key| format!("large key of {}, sent once", format::bytes(key.bytes)),
    );
    format!(
        "{} up, {} down a picture; {} of computing; {key}.",
        format::bytes(card.image_bytes),
        format::bytes(card.result_bytes),
        format::duration(card.expected_ms),
    )
}

/// What only some want to know.
fn looks_at(frame: InputCard) -> String {
    let (width, height) = (frame.width, frame.height);
    let upright = if frame.straighten {
        ", made upright and even in size before encryption"
    } else {
        ""
    };
    format!("{width} × {height} grey pixels{upright}")
}

#[component]
fn About(card: ModelCard) -> impl IntoView {
    let rows = [
        ("Tells apart", Some(card.classes.join(", "))),
        ("Looks at", Some(looks_at(card.input))),
        ("Measured on", card.accuracy.map(|accuracy| accuracy.data)),
        ("Made by", card.provenance),
        ("Licence", card.licence),
        (
            "Bootstraps",
            (card.bootstraps > 0).then(|| card.bootstraps.to_string()),
        ),
        ("Name", Some(card.id.to_string())),
        ("Digest", Some(card.digest)),
    ];
    let rows = rows.into_iter().filter_map(|(name, value)| {
        value.map(
            |value| view! { <tr><th scope="row">{name}</th><td class="break">{value}</td></tr> },
        )
    });
    view! {
        <details>
            <summary class="small">"About it"</summary>
            <table>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        </details>
    }
}

/// What would happen, or why nothing can.
fn outlook(desk: Desk, due: usize) -> String {
    let Some(card) = desk.chosen() else {
        return match desk.catalogue.get() {
            Loaded::Ready(_) => "Choose an analysis.".into(),
            Loaded::Loading | Loaded::Failed(_) => String::new(),
        };
    };
    let pictures = desk.tiles.with(Vec::len);
    if pictures == 0 {
        "Add a picture first.".into()
    } else if due == 0 {
        "Nothing left to do with this one: add a picture, or choose another analysis.".into()
    } else {
        let many = u64::try_from(due).unwrap_or(u64::MAX);
        let bytes = format::bytes(card.image_bytes.saturating_mul(many));
        let key = large_key_first(desk).unwrap_or_default();
        format!("{key}Sends {bytes}, encrypted. Nobody but you can read picture or result.")
    }
}

/// What has to be made and sent before the first picture, if anything.
fn large_key_first(desk: Desk) -> Option<String> {
    let needed = desk.large_key_needed()?;
    let (parts, bytes) = match desk.large_key_known().map(|key| key.state) {
        Some(LargeKeyState::Absent {
            stored,
            missing_bytes,
        }) => (needed.parts.saturating_sub(stored), missing_bytes),
        Some(_) => return None,
        // Not asked yet, because there is no key yet: all of it.
        None => (needed.parts, needed.bytes),
    };
    Some(format!(
        "First your large key, once: {}, made here in {}. ",
        format::bytes(bytes),
        format::about(making_time(parts, bytes)),
    ))
}

#[component]
fn Go() -> impl IntoView {
    let desk = desk();
    let here: Memo<Here> = expect_context();
    let due = Memo::new(move |_| desk.due().len());
    let running = Memo::new(move |_| desk.running.with(Option::is_some));
    let label = move || {
        let pictures = format::count(due.get(), "picture");
        match (due.get(), desk.has_key()) {
            (0, _) => "Analyse".to_owned(),
            (_, true) => format!("Analyse {pictures}"),
            (_, false) => format!("Make a key and analyse {pictures}"),
        }
    };
    let stopped = move || due.get() == 0 || desk.making.with(Option::is_some);
    view! {
        <div class="go">
            <Show
                when=move || running.get()
                fallback=move || {
                    view! {
                        <div class="actions">
                            <button
                                type="button"
                                id="analyse"
                                class="wide"
                                class:next=move || here.get() == Here::Analysis
                                disabled=stopped
                                on:click=move |_| desk.analyse()
                            >
                                {label}
                            </button>
                        </div>
                        <p class="small quiet" id="outlook">
                            {move || outlook(desk, due.get())}
                        </p>
                    }
                }
            >
                <div class="actions">
                    <button type="button" id="cancel" class="wide" on:click=move |_| desk.cancel()>
                        "Cancel"
                    </button>
                </div>
                <p class="small quiet">
                    "What has no result yet is stopped and deleted on the server."
                </p>
            </Show>
        </div>
    }
}
