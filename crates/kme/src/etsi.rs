//! ETSI GS QKD 014 V1.1.1: how applications (SAEs) ask for keys. Who asks is told by the common name
//! in the certificate that TLS has verified.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, ResponseError, dev, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use darkroom_tls::Connection;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::core::Core;
use crate::pool::{KEY_BITS, Key};

const BODY_BYTES: usize = 1 << 18;

/// To be called for the application of the ETSI listener.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    let keys = web::scope("/api/v1/keys/{sae}")
        .route("/status", web::get().to(status))
        .route("/enc_keys", web::get().to(enc_keys_by_query))
        .route("/enc_keys", web::post().to(enc_keys))
        .route("/dec_keys", web::get().to(dec_keys_by_query))
        .route("/dec_keys", web::post().to(dec_keys));
    app.app_data(web::PayloadConfig::new(BODY_BYTES))
        .service(keys)
        .default_service(web::to(no_route));
}

/// Why no keys are given, in the standard's form.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
    details: Vec<Value>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            details: Vec::new(),
        }
    }

    fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    fn with(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status)
            .json(json!({ "message": self.message, "details": self.details }))
    }
}

/// The application that asks.
struct Caller(String);

impl FromRequest for Caller {
    type Error = Refusal;
    type Future = std::future::Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let name = request.conn_data::<Connection>();
        let name = name.and_then(|connection| connection.client.clone());
        std::future::ready(name.map(Self).ok_or_else(|| {
            let message = "the certificate has no common name that could be an SAE's id";
            Refusal::new(StatusCode::UNAUTHORIZED, message)
        }))
    }
}

impl Caller {
    /// The lane of the keys that caller and other share, where the configuration knows the two.
    fn lane(&self, core: &Core, other: &str, caller_is_master: bool) -> Result<usize, Refusal> {
        core.lane(&self.0, other, caller_is_master).ok_or_else(|| {
            let message = "this SAE may not share keys with that one";
            let detail = json!({ "SAE_ID": self.0, "other_SAE_ID": other });
            Refusal::new(StatusCode::UNAUTHORIZED, message).with(detail)
        })
    }
}

#[derive(Serialize)]
struct Delivery {
    keys: Vec<Delivered>,
}

#[derive(Serialize)]
struct Delivered {
    #[serde(rename = "key_ID")]
    id: Uuid,
    key: String,
}

fn deliver(keys: &[Key]) -> HttpResponse {
    let keys = keys.iter().map(|key| Delivered {
        id: key.id,
        key: STANDARD.encode(&key.secret[..]),
    });
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(Delivery {
            keys: keys.collect(),
        })
}

async fn status(
    core: web::Data<Core>,
    caller: Caller,
    slave: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    let lane = caller.lane(&core, &slave, true)?;
    let stored = core.pool().stored(lane);
    let state = core.line().state();
    let limits = &core.config.pool;
    Ok(HttpResponse::Ok().json(json!({
        "source_KME_ID": core.config.name,
        "target_KME_ID": core.config.peer.name,
        "master_SAE_ID": caller.0,
        "slave_SAE_ID": *slave,
        "key_size": KEY_BITS,
        "stored_key_count": stored,
        "max_key_count": limits.max_key_count,
        "max_key_per_request": limits.max_key_per_request,
        "max_key_size": KEY_BITS,
        "min_key_size": KEY_BITS,
        "max_SAE_ID_count": 0,
        "status_extension": { "state": state },
    })))
}

/// What may be asked for; unknown members are refused so that nothing is left out silently.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct KeyRequest {
    number: Option<i64>,
    size: Option<i64>,
    #[serde(rename = "additional_slave_SAE_IDs")]
    additional_slaves: Option<Vec<String>>,
    extension_mandatory: Option<Vec<Value>>,
    #[serde(rename = "extension_optional")]
    _extension_optional: Option<Vec<Value>>,
}

impl KeyRequest {
    /// How many keys, if this can be served.
    fn number(&self, core: &Core) -> Result<usize, Refusal> {
        let filled = |list: &Option<Vec<Value>>| list.as_ref().is_some_and(|l| !l.is_empty());
        if self
            .additional_slaves
            .as_ref()
            .is_some_and(|l| !l.is_empty())
        {
            return Err(Refusal::malformed(
                "additional_slave_SAE_IDs are not supported: a key is for one slave SAE",
            ));
        }
        if filled(&self.extension_mandatory) {
            return Err(Refusal::malformed(
                "not all extension_mandatory parameters are supported: none is",
            ));
        }
        self.check_size()?;
        let most = core.config.pool.max_key_per_request;
        match self.number.unwrap_or(1) {
            number @ 1.. if number <= i64::from(most) => {
                usize::try_from(number).map_err(|_| Refusal::malformed("number is too large"))
            }
            number => Err(Refusal::malformed(format!(
                "number must be from 1 to {most}, not {number}"
            ))),
        }
    }

    fn check_size(&self) -> Result<(), Refusal> {
        match self.size {
            None => Ok(()),
            Some(size) if usize::try_from(size) == Ok(KEY_BITS) => Ok(()),
            Some(size) if size % 8 != 0 => Err(Refusal::malformed("size shall be a multiple of 8")),
            Some(size) => Err(Refusal::malformed(format!(
                "size must be {KEY_BITS} bits, not {size}"
            ))),
        }
    }
}

async fn enc_keys(
    core: web::Data<Core>,
    caller: Caller,
    slave: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    // The standard asks for no member: no body at all is the same as an empty object.
    let request = match body.is_empty() {
        true => KeyRequest::default(),
        false => parse(&body)?,
    };
    encrypt_keys(&core, &caller, &slave, &request)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyQuery {
    number: Option<i64>,
    size: Option<i64>,
}

async fn enc_keys_by_query(
    core: web::Data<Core>,
    caller: Caller,
    slave: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let query: KeyQuery = query(&request)?;
    let request = KeyRequest {
        number: query.number,
        size: query.size,
        ..KeyRequest::default()
    };
    encrypt_keys(&core, &caller, &slave, &request)
}

fn encrypt_keys(
    core: &Core,
    caller: &Caller,
    slave: &str,
    request: &KeyRequest,
) -> Result<HttpResponse, Refusal> {
    let lane = caller.lane(core, slave, true)?;
    let number = request.number(core)?;
    let state = core.line().state();
    let unavailable = |message: &str| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message).with(json!({ "state": state }))
    };
    if core.line().suspected() {
        return Err(unavailable(
            "no keys: so many errors on the quantum channel that somebody may listen",
        ));
    }
    let keys = core.pool().take(lane, number);
    let keys = keys.ok_or_else(|| unavailable("not so many keys are stored; ask again later"))?;
    Ok(deliver(&keys))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyIds {
    #[serde(rename = "key_IDs")]
    ids: Vec<KeyId>,
    #[serde(rename = "key_IDs_extension", default)]
    _extension: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyId {
    #[serde(rename = "key_ID")]
    id: Uuid,
    #[serde(rename = "key_ID_extension", default)]
    _extension: Option<Value>,
}

async fn dec_keys(
    core: web::Data<Core>,
    caller: Caller,
    master: web::Path<String>,
    body: web::Bytes,
) -> Result<HttpResponse, Refusal> {
    let request: KeyIds = parse(&body)?;
    let ids: Vec<Uuid> = request.ids.iter().map(|id| id.id).collect();
    decrypt_keys(&core, &caller, &master, &ids)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdQuery {
    #[serde(rename = "key_ID")]
    id: Uuid,
}

async fn dec_keys_by_query(
    core: web::Data<Core>,
    caller: Caller,
    master: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Refusal> {
    let query: IdQuery = query(&request)?;
    decrypt_keys(&core, &caller, &master, &[query.id])
}

fn decrypt_keys(
    core: &Core,
    caller: &Caller,
    master: &str,
    ids: &[Uuid],
) -> Result<HttpResponse, Refusal> {
    let lane = caller.lane(core, master, false)?;
    let most = core.config.pool.max_key_per_request as usize;
    if ids.is_empty() || ids.len() > most {
        let message = format!("key_IDs must be from 1 to {most}, not {}", ids.len());
        return Err(Refusal::malformed(message));
    }
    // The same answer for a key that was never made, was given already, was lost with a session or is
    // somebody else's: only the last would be worth asking about.
    let keys = core.pool().take_named(lane, ids).map_err(|id| {
        Refusal::malformed("one or more keys specified are not found on KME")
            .with(json!({ "key_ID": id }))
    })?;
    Ok(deliver(&keys))
}

async fn no_route() -> Result<HttpResponse, Refusal> {
    Err(Refusal::new(
        StatusCode::NOT_FOUND,
        "no such route, or not by this method",
    ))
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::malformed(format!("the request is malformed: {error}")))
}

fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Refusal> {
    parse_query(request.query_string())
}

fn parse_query<T: DeserializeOwned>(text: &str) -> Result<T, Refusal> {
    match web::Query::<T>::from_query(text) {
        Ok(query) => Ok(query.into_inner()),
        Err(error) => Err(Refusal::malformed(format!(
            "the query is malformed: {error}"
        ))),
    }
}

/// What of a body or of a query is read as a request for keys, for the fuzz targets.
pub(crate) fn fuzz(bytes: &[u8]) -> bool {
    let mut taken = parse::<KeyRequest>(bytes).is_ok_and(|request| request.check_size().is_ok());
    taken |= parse::<KeyIds>(bytes).is_ok();
    let text = String::from_utf8_lossy(bytes);
    taken |= parse_query::<KeyQuery>(&text).is_ok();
    taken | parse_query::<IdQuery>(&text).is_ok()
}
