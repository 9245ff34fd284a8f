//! What concerns the whole page: a server out of reach, a worker that has stopped.

use std::time::Duration;

use leptos::prelude::*;

use super::invitation::AtTheDoor;
use super::problem::Problem;
use crate::page::desk::desk;
use crate::page::format;

/// Shown above the desk while something keeps all of it from working.
#[component]
pub fn Banner() -> impl IntoView {
    let desk = desk();
    let now = RwSignal::new(js_sys::Date::now());
    let tick = set_interval_with_handle(
        move || {
            if desk.retry_at.with_untracked(Option::is_some) {
                now.set(js_sys::Date::now());
            }
        },
        Duration::from_millis(500),
    );
    on_cleanup(move || {
        if let Ok(tick) = tick {
            tick.clear();
        }
    });
    let wait = move || {
        let left = desk.retry_at.get().unwrap_or_default() - now.get();
        if left < 500.0 {
            "Trying again now.".to_owned()
        } else {
            format!("Trying again in {}.", format::seconds(left))
        }
    };
    let out_of_reach = Memo::new(move |_| desk.retry_at.with(Option::is_some));
    view! {
        <Show when=move || out_of_reach.get() && desk.stopped.with(Option::is_none)>
            <div class="problem banner" id="unreachable" data-test="problem">
                <p>
                    <strong>"The server is out of reach."</strong>
                </p>
                <p>
                    "Your key and pictures are safe here, and what the server has it keeps. Nothing to do: the page goes on when it is back. "
                    <span aria-hidden="true">{wait}</span>
                </p>
            </div>
        </Show>
        <AtTheDoor />
        {move || {
            desk.stopped.get().map(|trouble| {
                view! {
                    <div class="banner">
                        <Problem trouble=trouble>
                            <a class="button" href="/">
                                "Load the page again"
                            </a>
                        </Problem>
                    </div>
                }
            })
        }}
    }
}
