//! What a node tells people about itself, and the switch of the eavesdropper.

use std::fmt::{Display, Write};
use std::net::IpAddr;

use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use crate::config::Role;
use crate::core::Core;
use crate::line::{Block, State};
use crate::pool;

/// To be called for the application of the status listener.
pub(crate) fn routes(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(1 << 10))
        .route("/", web::get().to(page))
        .route("/status.json", web::get().to(json))
        .route("/healthz", web::get().to(healthy))
        .route("/eavesdropper", web::post().to(switch));
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The node's name.
    pub name: String,
    /// Which end it is.
    pub role: Role,
    /// The other node's name.
    pub peer: String,
    /// What it does.
    pub state: State,
    /// Whether somebody listens at this end of the fibre.
    pub eavesdropper: bool,
    /// Sessions with the peer since the start.
    pub sessions: u64,
    /// Bits measured in the right basis, a second, of late.
    pub sifted_bits_per_s: f64,
    /// Bits of keys, a second, of late.
    pub secret_bits_per_s: f64,
    /// The error rates of the last blocks, the newest first.
    pub error_rates: Vec<f64>,
    /// Keys given since the start.
    pub keys_given: u64,
    /// The keys of each link.
    pub links: Vec<LinkStatus>,
    /// The last blocks, the newest first.
    pub blocks: Vec<Block>,
}

/// The keys of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LinkStatus {
    /// The application that asks this node.
    pub local: String,
    /// The one that asks the peer.
    pub remote: String,
    /// Keys for `enc_keys` of the local one.
    pub local_is_master: Stock,
    /// Keys for `dec_keys` of the local one.
    pub remote_is_master: Stock,
}

/// The keys of a link and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stock {
    /// Keys that wait.
    pub stored: usize,
    /// Keys that were given since the start.
    pub given: u64,
}

impl Status {
    pub(crate) fn of(core: &Core) -> Self {
        let links = links(core);
        let given = |link: &LinkStatus| link.local_is_master.given + link.remote_is_master.given;
        let line = core.line();
        let (sifted, secret) = line.rates();
        let blocks = line.newest();
        Self {
            name: core.config.name.clone(),
            role: core.config.role,
            peer: core.config.peer.name.clone(),
            state: line.state(),
            eavesdropper: core.eavesdropper(),
            sessions: line.sessions,
            sifted_bits_per_s: sifted,
            secret_bits_per_s: secret,
            error_rates: blocks.iter().map(|block| block.error_rate).collect(),
            keys_given: links.iter().map(given).sum(),
            links,
            blocks,
        }
    }
}

fn links(core: &Core) -> Vec<LinkStatus> {
    let role = core.config.role;
    let pool = core.pool();
    let stock = |lane| Stock {
        stored: pool.stored(lane),
        given: pool.given(lane),
    };
    let links = core.links.iter().enumerate();
    links
        .map(|(number, (alice, bob))| {
            let (local, remote) = match role {
                Role::Alice => (alice, bob),
                Role::Bob => (bob, alice),
            };
            LinkStatus {
                local: local.clone(),
                remote: remote.clone(),
                local_is_master: stock(pool::lane(number, role)),
                remote_is_master: stock(pool::lane(number, role.other())),
            }
        })
        .collect()
}

async fn healthy() -> HttpResponse {
    HttpResponse::Ok().body("ok")
}

async fn json(core: web::Data<Core>) -> HttpResponse {
    HttpResponse::Ok().json(Status::of(&core))
}

async fn page(core: web::Data<Core>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'",
        ))
        .insert_header(("Cache-Control", "no-store"))
        .body(html(&Status::of(&core)))
}

async fn switch(core: web::Data<Core>, request: HttpRequest, body: web::Bytes) -> HttpResponse {
    if !is_own(&request) {
        return HttpResponse::Forbidden().body("only the status page itself can switch this");
    }
    let on = match body.strip_prefix(b"eavesdropper=").unwrap_or(&body) {
        b"on" => true,
        b"off" => false,
        _ => return HttpResponse::BadRequest().body("say on or off"),
    };
    core.set_eavesdropper(on);
    HttpResponse::SeeOther()
        .insert_header(("Location", "/"))
        .finish()
}

/// Whether a request does not come from another web page. The host must be no name that somebody can
/// point here, and the origin, which browsers tell with every POST, this very page.
fn is_own(request: &HttpRequest) -> bool {
    let header = |name: HeaderName| request.headers().get(name).map(|value| value.to_str());
    let Some(Ok(host)) = header(HOST) else {
        return false;
    };
    let fixed = is_fixed(host);
    let origin = match header(ORIGIN) {
        None => true,
        Some(origin) => origin.is_ok_and(|origin| origin == format!("http://{host}")),
    };
    let site = match header(HeaderName::from_static("sec-fetch-site")) {
        None => true,
        Some(site) => site.is_ok_and(|site| matches!(site, "same-origin" | "none")),
    };
    fixed && origin && site
}

/// An address or `localhost`, with or without a port.
fn is_fixed(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn html(status: &Status) -> String {
    let (now, switch) = match status.eavesdropper {
        true => ("somebody intercepts and resends every photon", "off"),
        false => ("nobody listens", "on"),
    };
    let newest = status.error_rates.first();
    let error_rate = newest.map_or_else(|| "none yet".to_owned(), |rate| percent(*rate));
    let fields = [
        ("{name}", escape(&status.name)),
        ("{peer}", escape(&status.peer)),
        ("{role}", name(&status.role)),
        ("{state}", name(&status.state)),
        ("{error_rate}", error_rate),
        ("{sifted}", format!("{:.0}", status.sifted_bits_per_s)),
        ("{secret}", format!("{:.0}", status.secret_bits_per_s)),
        ("{given}", status.keys_given.to_string()),
        ("{eavesdropper}", now.to_owned()),
        ("{switch}", switch.to_owned()),
        ("{links}", link_rows(&status.links)),
        (
            "{blocks}",
            status
                .blocks
                .iter()
                .map(|block| block_row(block, &name(&block.outcome)))
                .collect(),
        ),
    ];
    let page = include_str!("page.html").to_owned();
    fields
        .iter()
        .fold(page, |page, (field, value)| page.replace(field, value))
}

/// A unit variant as JSON names it.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn link_rows(links: &[LinkStatus]) -> String {
    let mut rows = String::new();
    for link in links {
        let (local, remote) = (escape(&link.local), escape(&link.remote));
        for (master, slave, stock) in [
            (&local, &remote, link.local_is_master),
            (&remote, &local, link.remote_is_master),
        ] {
            // Writing to a string does not fail.
            let _ = write!(rows, "<tr><td>{master}</td><td class=\"text\">{slave}</td>");
            rows.push_str(&cells(&[&stock.stored, &stock.given]));
        }
    }
    rows
}

fn block_row(block: &Block, outcome: &str) -> String {
    let rate = percent(block.error_rate);
    format!(
        "<tr><td>{}</td><td class=\"text\">{outcome}</td>{}",
        block.number,
        cells(&[
            &block.sifted_bits,
            &block.sample_bits,
            &block.errors,
            &rate,
            &block.leaked_bits,
            &block.secret_bits,
            &block.keys,
        ])
    )
}

fn cells(values: &[&dyn Display]) -> String {
    let cells: String = values
        .iter()
        .map(|value| format!("<td>{value}</td>"))
        .collect();
    format!("{cells}</tr>\n")
}

fn percent(part: f64) -> String {
    format!("{:.2} %", part * 100.0)
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    // Else a name with braces could take another field's place.
    text.replace('{', "&#123;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn other_pages_cannot_switch_anything() {
        for (host, origin, site, own) in [
            ("127.0.0.1:7011", Some("http://127.0.0.1:7011"), None, true),
            (
                "localhost:7011",
                Some("http://localhost:7011"),
                Some("same-origin"),
                true,
            ),
            ("[::1]:7011", Some("http://[::1]:7011"), None, true),
            ("127.0.0.1:7011", None, None, true),
            ("127.0.0.1:7011", Some("http://evil.example"), None, false),
            ("127.0.0.1:7011", Some("null"), None, false),
            ("127.0.0.1:7011", Some("http://127.0.0.1:8000"), None, false),
            ("127.0.0.1:7011", None, Some("cross-site"), false),
            ("127.0.0.1:7011", None, Some("same-site"), false),
            // Another's name that points here.
            (
                "evil.example:7011",
                Some("http://evil.example:7011"),
                Some("same-origin"),
                false,
            ),
        ] {
            let mut request = TestRequest::post().insert_header(("Host", host));
            if let Some(origin) = origin {
                request = request.insert_header(("Origin", origin));
            }
            if let Some(site) = site {
                request = request.insert_header(("Sec-Fetch-Site", site));
            }
            assert_eq!(
                is_own(&request.to_http_request()),
                own,
                "{host} {origin:?} {site:?}"
            );
        }
        assert!(!is_own(&TestRequest::post().to_http_request()));
    }

    #[test]
    fn names_are_text_on_the_page() {
        assert_eq!(escape("<b>&\"{links}"), "&lt;b>&amp;&quot;&#123;links}");
    }
}
