//! Tokens for colleagues and machines: made, listed, revoked.

use darkroom_api::access::{LABEL_MAX_BYTES, Scope, TokenInfo};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::{Asked, Shared};
use crate::bridge;
use crate::page::desk::desk;
use crate::page::format;
use crate::page::parts::copy::Copy;
use crate::page::parts::problem::Problem;
use crate::protocol::{MadeToken, Trouble};

/// How many tokens are shown at first, and how many more at a time.
const SHOWN: usize = 5;

/// The list, and what is done with it.
#[derive(Clone, Copy)]
struct List {
    tokens: RwSignal<Asked<Vec<TokenInfo>>>,
    trouble: RwSignal<Option<Trouble>>,
}

impl List {
    fn load(self) {
        spawn_local(async move {
            self.tokens.try_set(match bridge::tokens().await {
                Ok(tokens) => Asked::Here(tokens),
                Err(trouble) => Asked::Failed(trouble),
            });
        });
    }
}

#[component]
pub fn Tokens() -> impl IntoView {
    let list = List {
        tokens: RwSignal::new(Asked::Waiting),
        trouble: RwSignal::new(None),
    };
    list.load();
    let shown = RwSignal::new(SHOWN);
    let rows = move || match list.tokens.get() {
        Asked::Waiting => view! { <p class="quiet">"Asking the server …"</p> }.into_any(),
        Asked::Failed(trouble) => view! { <Problem trouble=trouble /> }.into_any(),
        Asked::Here(tokens) if tokens.is_empty() => {
            view! { <p class="quiet">"There are none."</p> }.into_any()
        }
        Asked::Here(tokens) => {
            let left = tokens.len().saturating_sub(shown.get());
            let rows = tokens.into_iter().take(shown.get());
            let rows = rows.map(|token| view! { <Row token=token list=list /> });
            view! {
                <ul class="rows" id="tokens">
                    {rows.collect_view()}
                </ul>
                <Show when=move || { left > 0 }>
                    <div class="actions">
                        <button
                            type="button"
                            class="plain"
                            on:click=move |_| shown.update(|shown| *shown += 4 * SHOWN)
                        >
                            {format!("Show more ({left})")}
                        </button>
                    </div>
                </Show>
            }
            .into_any()
        }
    };
    view! {
        <section class="stack tight">
            <h3>"Tokens for others"</h3>
            <p>
                "A colleague or a machine gets in with a token of its own, which can do less and ends when you want. It opens no picture: for that, your key is needed."
            </p>
            {rows}
            {move || list.trouble.get().map(|trouble| view! { <Problem trouble=trouble /> })}
            <Make list=list />
        </section>
    }
}

fn scope_words(scope: Scope) -> &'static str {
    match scope {
        Scope::Read => "looks at everything, changes nothing",
        Scope::Submit => "has pictures analysed",
    }
}

/// Unix time in the reader's calendar.
fn moment(unix_ms: u64) -> String {
    #[allow(clippy::cast_precision_loss)] // exact until the year 287396
    format::moment(unix_ms as f64)
}

fn end_words(token: &TokenInfo, now_ms: f64) -> String {
    #[allow(clippy::cast_precision_loss)]
    let is_past = |end: u64| end as f64 <= now_ms;
    match (token.revoked_ms, token.not_after_ms) {
        (Some(revoked), _) => format!("revoked {}", moment(revoked)),
        (None, Some(end)) if is_past(end) => format!("ended {}", moment(end)),
        (None, Some(end)) => format!("good until {}", moment(end)),
        (None, None) => "good until you revoke it".into(),
    }
}

#[component]
fn Row(token: TokenInfo, list: List) -> impl IntoView {
    let desk = desk();
    let shared: Shared = expect_context();
    let asking = RwSignal::new(false);
    let now_ms = js_sys::Date::now();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let is_live = token.is_live(now_ms as u64);
    let id = token.id;
    let used = move || {
        let used = shared.log.with(|log| {
            let log = log.as_ref()?;
            let used = log.last_used.iter().find(|(used, _)| *used == id);
            Some(used.map(|(_, at)| *at))
        });
        used.map(|at| match at {
            Some(at) => format!("last used {}", moment(at)),
            None => "not used, as far as the log goes back".into(),
        })
    };
    let revoke = move |_| {
        spawn_local(async move {
            match bridge::revoke_token(id).await {
                Ok(()) => {
                    desk.say("Revoked. The token opens nothing any more.");
                    list.load();
                }
                Err(trouble) => drop(list.trouble.try_set(Some(trouble))),
            }
        });
    };
    let label = token.label.clone();
    view! {
        <li data-test="token" data-live=is_live.to_string()>
            <div>
                <strong class="break">{token.label.clone()}</strong>
                <p class="small quiet">
                    {format!("{} · {}", scope_words(token.scope), end_words(&token, now_ms))}
                    {move || used().map(|used| format!(" · {used}"))}
                </p>
            </div>
            <Show when=move || is_live>
                <Show
                    when=move || asking.get()
                    fallback={
                        let label = label.clone();
                        move || {
                            view! {
                                <button
                                    type="button"
                                    class="plain small"
                                    data-test="revoke"
                                    aria-label=format!("Revoke {label}")
                                    on:click=move |_| asking.set(true)
                                >
                                    "Revoke"
                                </button>
                            }
                        }
                    }
                >
                    <div class="actions">
                        <button
                            type="button"
                            class="small"
                            data-test="revoke-yes"
                            autofocus
                            on:click=revoke
                        >
                            "Revoke for good"
                        </button>
                        <button
                            type="button"
                            class="plain small"
                            on:click=move |_| asking.set(false)
                        >
                            "Keep it"
                        </button>
                    </div>
                </Show>
            </Show>
        </li>
    }
}

/// What is wrong with a label; nothing if it is fine.
fn fault(label: &str) -> Option<String> {
    if label.is_empty() {
        Some("Write whose it is, so that you know later.".into())
    } else if label.len() > LABEL_MAX_BYTES {
        Some("That is too long. A name will do.".into())
    } else {
        None
    }
}

#[component]
fn Make(list: List) -> impl IntoView {
    let desk = desk();
    let label = RwSignal::new(String::new());
    let scope = RwSignal::new(Scope::Submit);
    let days = RwSignal::new("30".to_owned());
    let message = RwSignal::new(None::<String>);
    let busy = RwSignal::new(false);
    let made = RwSignal::new(None::<MadeToken>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let name = label.with_untracked(|label| label.trim().to_owned());
        let fault = fault(&name);
        message.set(fault.clone());
        if fault.is_some() || busy.get_untracked() {
            return;
        }
        busy.set(true);
        list.trouble.set(None);
        let days = days.with_untracked(|days| days.parse().ok());
        spawn_local(async move {
            let new = bridge::make_token(name, scope.get_untracked(), days).await;
            busy.try_set(false);
            match new {
                Ok(new) => {
                    made.try_set(Some(new));
                    label.try_set(String::new());
                    list.load();
                    desk.say("The token is made. It is shown this once.");
                }
                Err(trouble) => drop(list.trouble.try_set(Some(trouble))),
            }
        });
    };
    let choice = move |value: Scope, id: &'static str, words: &'static str| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="token-scope"
                    id=id
                    prop:checked=move || scope.get() == value
                    on:change=move |_| scope.set(value)
                />
                <span>{words}</span>
            </label>
        }
    };
    view! {
        {move || made.get().map(|new| view! { <Made new=new made=made /> })}
        <form class="stack tight" id="make-token" on:submit=submit>
            <label for="token-label">"A new one for"</label>
            <input
                type="text"
                id="token-label"
                maxlength="128"
                autocomplete="off"
                placeholder="Scanner in room 2"
                aria-describedby="token-message"
                bind:value=label
            />
            <p class="small quiet">"The server can read this name."</p>
            <fieldset>
                <legend class="unseen">"What it may do"</legend>
                {choice(Scope::Submit, "scope-submit", "Have pictures analysed")}
                {choice(Scope::Read, "scope-read", "Look at everything, change nothing")}
            </fieldset>
            <label for="token-days">"Good for"</label>
            <select id="token-days" bind:value=days>
                <option value="1">"1 day"</option>
                <option value="7">"7 days"</option>
                <option value="30">"30 days"</option>
                <option value="365">"1 year"</option>
                <option value="never">"until I revoke it"</option>
            </select>
            <p class="small" id="token-message" role="alert">
                {move || message.get()}
            </p>
            <div class="actions">
                <button type="submit" id="token-make" disabled=move || busy.get()>
                    {move || if busy.get() { "Making it …" } else { "Make the token" }}
                </button>
            </div>
        </form>
    }
}

#[component]
fn Made(new: MadeToken, made: RwSignal<Option<MadeToken>>) -> impl IntoView {
    let text = Signal::stored(new.secret.0.clone());
    let secret = new.secret.0.clone();
    view! {
        <div class="note" id="made-token">
            <p>
                <strong>{format!("The token for {}", new.info.label)}</strong>
                " is shown this once. Hand it on over a way that you trust."
            </p>
            <p class="mono small break" id="token-secret" tabindex="0" aria-label="The token">
                {secret}
            </p>
            <p class="small quiet break">
                {format!("With the command line: darkroom analyse --token FILE --vault {}", new.vault)}
            </p>
            <div class="actions">
                <Copy id="copy-token" text=text />
                <button type="button" class="plain" id="token-done" on:click=move |_| made.set(None)>
                    "I have it"
                </button>
            </div>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn labels_fit_what_storage_takes() {
        assert!(fault("").is_some());
        assert_eq!(fault(&"x".repeat(LABEL_MAX_BYTES)), None);
        assert!(fault(&"é".repeat(LABEL_MAX_BYTES)).is_some());
    }
}
