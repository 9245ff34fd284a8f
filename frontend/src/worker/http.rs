//! Requests to the services: tried again while the server cannot be reached, aborted when the work is
//! stopped, their errors turned into words.

use std::cell::Cell;
use std::rc::Rc;

use darkroom_api::access::INVITATION;
use darkroom_api::problem::{self, Problem, ProblemType};
use js_sys::Uint8Array;
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestCache, RequestInit, RequestRedirect, Response};

use super::stop::Stop;
use super::{scope, trouble};
use crate::protocol::{Notice, Trouble};

const RETRY_FIRST_MS: u32 = 1_000;
const RETRY_MAX_MS: u32 = 15_000;
/// How often one request waits where too much was asked, and how long at most each time.
const WAITS_MAX: u32 = 10;
const WAIT_MAX_S: u64 = 60;
/// No answer of the services that is read as a whole is longer.
const ANSWER_MAX_BYTES: f64 = 64.0 * 1024.0 * 1024.0;

/// A request to come.
pub struct Ask<'a> {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) authorization: Option<String>,
    /// What opens a new vault, where storage wants it.
    pub(super) invitation: Option<String>,
    pub(super) body: Body<'a>,
    pub(super) accept: &'static str,
}

/// What goes along.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// JSON.
    Json(String),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Bytes that the browser holds.
    Buffer(&'a Uint8Array),
}

/// Why a request gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// The server's own words.
    Problem(Box<Problem>),
    /// Anything else.
    Trouble(Trouble),
}

impl Failure {
    /// Whether the server named this problem.
    pub fn is(&self, kind: ProblemType) -> bool {
        matches!(self, Self::Problem(problem) if problem.kind == kind)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problem(problem) => trouble::problem(&problem),
            Failure::Trouble(trouble) => trouble,
        }
    }
}

/// Tells the page whether the server can be reached.
#[derive(Clone)]
pub struct Reach {
    lost: Rc<Cell<bool>>,
    notify: Rc<dyn Fn(Notice)>,
}

impl Reach {
    /// Tells it through `notify`.
    pub fn new(notify: Rc<dyn Fn(Notice)>) -> Self {
        Self {
            lost: Rc::default(),
            notify,
        }
    }

    fn lost(&self, retry_ms: u32) {
        self.lost.set(true);
        (self.notify)(Notice::Unreachable { retry_ms });
    }

    fn found(&self) {
        if self.lost.replace(false) {
            (self.notify)(Notice::Reachable);
        }
    }
}

/// Sends until an answer has begun, for as long as nobody stops it.
///
/// # Errors
/// The server refuses, or the work was stopped.
pub async fn send(ask: &Ask<'_>, stop: &Stop, reach: &Reach) -> Result<Response, Failure> {
    again_and_again(stop, reach, async || send_once(ask, stop).await).await
}

/// Sends until an answer has arrived as a whole, for as long as nobody stops it.
///
/// # Errors
/// The server refuses, or the work was stopped.
pub async fn exchange(ask: &Ask<'_>, stop: &Stop, reach: &Reach) -> Result<Vec<u8>, Failure> {
    let exchange = async || bytes(&send_once(ask, stop).await?).await;
    again_and_again(stop, reach, exchange).await
}

async fn again_and_again<T>(
    stop: &Stop,
    reach: &Reach,
    attempt: impl AsyncFn() -> Result<T, Attempt>,
) -> Result<T, Failure> {
    let (mut wait_ms, mut waits) = (RETRY_FIRST_MS, 0);
    loop {
        stop.check()?;
        match attempt().await {
            Ok(answer) => {
                reach.found();
                return Ok(answer);
            }
            Err(Attempt::Final(failure)) => {
                reach.found();
                return Err(failure);
            }
            Err(Attempt::Again) => {}
            Err(Attempt::Later(_, pause_ms)) if waits < WAITS_MAX => {
                reach.found();
                waits += 1;
                stop.sleep(pause_ms).await?;
                continue;
            }
            Err(Attempt::Later(failure, _)) => return Err(failure),
        }
        stop.check()?;
        reach.lost(wait_ms);
        stop.sleep(wait_ms).await?;
        wait_ms = (wait_ms * 2).min(RETRY_MAX_MS);
    }
}

/// Sends once and does not mind if it does not arrive.
pub async fn send_if_reachable(ask: &Ask<'_>, stop: &Stop) -> bool {
    send_once(ask, stop).await.is_ok()
}

enum Attempt {
    Again,
    /// Too much was asked: again after so many milliseconds.
    Later(Failure, u32),
    Final(Failure),
}

impl From<JsValue> for Attempt {
    fn from(_: JsValue) -> Self {
        Self::Final(trouble::browser("This browser cannot send requests.").into())
    }
}

async fn send_once(ask: &Ask<'_>, stop: &Stop) -> Result<Response, Attempt> {
    let init = RequestInit::new();
    init.set_method(ask.method);
    init.set_cache(RequestCache::NoStore);
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(stop.signal().as_ref());
    init.set_headers_headers(&headers(ask)?);
    match &ask.body {
        Body::Empty => {}
        Body::Json(text) => init.set_body_opt_str(Some(text)),
        Body::Bytes(bytes) => init.set_body_opt_u8_array(Some(&Uint8Array::from(*bytes))),
        Body::Buffer(bytes) => init.set_body_opt_u8_array(Some(bytes)),
    }
    let promise = scope::global().fetch_with_str_and_init(&ask.path, &init);
    // What `fetch` rejects with is either an abort or a network that does not work.
    let response = JsFuture::from(promise).await.map_err(|_| Attempt::Again)?;
    let response: Response = response.dyn_into().map_err(Attempt::from)?;
    if response.ok() {
        return Ok(response);
    }
    match refusal(&response).await {
        Some(problem) if is_passing(problem.kind) => Err(Attempt::Again),
        Some(problem) if problem.kind == ProblemType::RateLimited => {
            let wait_s = problem.retry_after_s.unwrap_or(1).clamp(1, WAIT_MAX_S);
            let wait_ms = u32::try_from(wait_s * 1000).unwrap_or(RETRY_MAX_MS);
            Err(Attempt::Later(Failure::Problem(Box::new(problem)), wait_ms))
        }
        Some(problem) => Err(Attempt::Final(Failure::Problem(Box::new(problem)))),
        None if matches!(response.status(), 502..=504) => Err(Attempt::Again),
        None => Err(Attempt::Final(trouble::status(response.status()).into())),
    }
}

fn headers(ask: &Ask<'_>) -> Result<Headers, JsValue> {
    let headers = Headers::new()?;
    headers.set("accept", ask.accept)?;
    if let Some(authorization) = &ask.authorization {
        headers.set("authorization", authorization)?;
    }
    if let Some(invitation) = &ask.invitation {
        headers.set(INVITATION, invitation)?;
    }
    match ask.body {
        Body::Empty => {}
        Body::Json(_) => headers.set("content-type", "application/json")?,
        Body::Bytes(_) | Body::Buffer(_) => {
            headers.set("content-type", "application/octet-stream")?
        }
    }
    Ok(headers)
}

async fn refusal(response: &Response) -> Option<Problem> {
    let media_type = response.headers().get("content-type").ok()??;
    if !media_type.starts_with(problem::MEDIA_TYPE) {
        return None;
    }
    let text = JsFuture::from(response.text().ok()?)
        .await
        .ok()?
        .as_string()?;
    serde_json::from_str(&text).ok()
}

fn is_passing(kind: ProblemType) -> bool {
    use ProblemType::{QueueUnavailable, ShuttingDown, StorageUnavailable, UpstreamUnreachable};
    matches!(
        kind,
        UpstreamUnreachable | StorageUnavailable | QueueUnavailable | ShuttingDown
    )
}

async fn bytes(response: &Response) -> Result<Vec<u8>, Attempt> {
    let announced = response.headers().get("content-length").ok().flatten();
    let announced = announced
        .and_then(|text| text.parse::<f64>().ok())
        .unwrap_or(0.0);
    if announced > ANSWER_MAX_BYTES {
        return Err(Attempt::Final(trouble::not_understood().into()));
    }
    let buffer = JsFuture::from(response.array_buffer()?)
        .await
        .map_err(|_| Attempt::Again)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// An answer, read as JSON.
///
/// # Errors
/// It is something else.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(bytes).map_err(|_| trouble::not_understood())
}

/// A body of JSON.
///
/// # Errors
/// Never with our own types.
pub fn to_json(value: &impl Serialize) -> Result<Body<'static>, Trouble> {
    let text = serde_json::to_string(value).map_err(|_| trouble::not_understood())?;
    Ok(Body::Json(text))
}
