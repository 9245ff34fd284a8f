//! One look at what protects the way.

use darkroom_api::protection::Protection;
use darkroom_api::routes::GATEWAY_PROTECTION;
use gloo_timers::callback::Timeout;
use leptos::prelude::window;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, RequestCache, RequestInit, RequestRedirect, Response};

use super::hop::Hops;

/// Longer than the gateway looks itself.
const PATIENCE_MS: u32 = 8_000;

/// What is known of the way.
#[derive(Debug, Clone, PartialEq)]
pub enum Way {
    /// Nothing yet.
    Looking,
    /// What its ends have seen.
    Seen(Box<Hops>),
    /// It cannot be seen.
    Unseen(Why),
}

/// Why the way cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There was no answer.
    Silence,
    /// An answer that says only that there is none now.
    Busy,
    /// What answers is no gateway.
    NoGateway,
    /// The answer is of a version that this page does not know.
    Newer,
}

/// Asks the gateway once. From the page and not through the worker, which may be encrypting: nothing
/// waits for it, and nothing secret goes along.
pub async fn look() -> Way {
    match ask().await {
        Ok((status, is_json, text)) => understood(status, is_json, &text),
        Err(_) => Way::Unseen(Why::Silence),
    }
}

async fn ask() -> Result<(u16, bool, String), JsValue> {
    let headers = Headers::new()?;
    headers.set("accept", "application/json")?;
    let init = RequestInit::new();
    init.set_headers_headers(&headers);
    init.set_cache(RequestCache::NoStore);
    init.set_redirect(RequestRedirect::Error);
    let stop = AbortController::new()?;
    init.set_signal(Some(&stop.signal()));
    let _timeout = Timeout::new(PATIENCE_MS, move || stop.abort());
    let promise = window().fetch_with_str_and_init(GATEWAY_PROTECTION, &init);
    let response: Response = JsFuture::from(promise).await?.dyn_into()?;
    let media_type = response.headers().get("content-type")?;
    let is_json = media_type.is_some_and(|name| name.starts_with("application/json"));
    let text = JsFuture::from(response.text()?).await?;
    let text = text.as_string().unwrap_or_default();
    Ok((response.status(), is_json, text))
}

/// `trunk serve` answers with the page itself or with 404; a proxy whose gateway is gone, with 502
/// to 504.
fn understood(status: u16, is_json: bool, text: &str) -> Way {
    let hops = || serde_json::from_str::<Protection>(text).ok();
    match status {
        200 if is_json => match hops().and_then(Hops::of) {
            Some(hops) => Way::Seen(Box::new(hops)),
            None => Way::Unseen(Why::Newer),
        },
        502..=504 => Way::Unseen(Why::Silence),
        429 | 500.. => Way::Unseen(Why::Busy),
        _ => Way::Unseen(Why::NoGateway),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::hop::Hop;
    use super::*;

    fn answer() -> Value {
        let link = json!({
            "mode": "hybrid", "source": "etsi014", "key_used_ms_ago": 3000, "messages": 7,
            "keys_in_reserve": 64, "wavelength_nm": 1550,
        });
        let tls = json!({
            "key_exchange": "X25519MLKEM768", "cipher_suite": "TLS13_AES_256_GCM_SHA384",
            "client_certificate": true, "resumed": false,
        });
        let seen = json!({ "loopback": false, "tls": tls, "link": link, "weather": "fine" });
        let hop = |from, to, seen: &Value| json!({ "from": from, "to": to, "seen": seen, "km": 2 });
        json!({
            "hops": [
                hop("browser", "gateway", &seen),
                hop("gateway", "storage", &seen),
                hop("gateway", "compute", &Value::Null),
                hop("compute", "storage", &seen),
            ],
            "asked_ms": 12,
        })
    }

    fn of(answer: &Value) -> Way {
        understood(200, true, &answer.to_string())
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn fields_that_are_not_known_are_passed_over() {
        let Way::Seen(hops) = of(&answer()) else {
            panic!("it was not understood");
        };
        let link = hops.seen(Hop::GatewayStorage).unwrap().link.as_ref();
        assert_eq!(link.unwrap().key_used_ms_ago, Some(3000));
        assert!(hops.seen(Hop::GatewayCompute).is_none());
        assert!(hops.seen(Hop::ComputeStorage).is_some());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_hop_that_is_not_told_was_not_seen() {
        let mut less = answer();
        less["hops"].as_array_mut().unwrap().pop();
        let Way::Seen(hops) = of(&less) else {
            panic!("it was not understood");
        };
        assert!(hops.seen(Hop::ComputeStorage).is_none());
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_is_not_understood_is_not_guessed() {
        let altered = |path: &str, value: Value| {
            let mut altered = answer();
            *altered.pointer_mut(path).unwrap() = value;
            of(&altered)
        };
        for (path, value) in [
            ("/hops/1/seen/link/mode", json!("telepathy")),
            ("/hops/1/seen/link/source", json!("etsi020")),
            ("/hops/1/seen/loopback", json!("yes")),
            ("/hops/3/to", json!("archive")),
            ("/hops/3/to", json!("browser")),
            ("/hops/3/from", json!("gateway")),
            ("/hops", json!(4)),
        ] {
            assert_eq!(altered(path, value), Way::Unseen(Why::Newer), "{path}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_answer_is_told_by_its_cause() {
        let page = "<!doctype html>";
        for (status, is_json, text, why) in [
            (200, false, page, Why::NoGateway),
            (404, false, page, Why::NoGateway),
            (404, true, "{}", Why::NoGateway),
            (429, false, "", Why::Busy),
            (500, true, "{}", Why::Busy),
            (502, false, page, Why::Silence),
            (504, false, page, Why::Silence),
            (200, true, page, Why::Newer),
            (200, true, "", Why::Newer),
        ] {
            assert_eq!(understood(status, is_json, text), Way::Unseen(why));
        }
    }
}
