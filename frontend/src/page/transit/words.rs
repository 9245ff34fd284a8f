//! The way in words.

use darkroom_api::protection::{Link, LinkMode, LinkSource, Seen, Tls};

use super::hop::{Address, Hop};
use super::look::Way;
use super::notes::notes;
use super::verdict::{But, State, Verdict, judge};
use crate::page::format;

/// What is said of one hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What protects it.
    pub state: State,
    /// Which hop, and what its ends have seen.
    pub line: String,
    /// What that comes to.
    pub verdict: &'static str,
    /// What it means for the data, and what to do.
    pub notes: Vec<&'static str>,
}

/// What is said of a hop.
pub fn tell(hop: Hop, way: &Way, address: Address) -> Told {
    let seen = seen(hop, way);
    let verdict = judge(hop, seen, address);
    let how = match way {
        Way::Looking => "looking …".to_owned(),
        Way::Seen(_) | Way::Unseen(_) => how(hop, verdict, seen),
    };
    Told {
        state: verdict.state,
        line: format!("{}: {how}", title(hop)),
        verdict: word(verdict),
        notes: notes(hop, verdict, way),
    }
}

/// What the ends have seen of a hop, if they could be asked.
pub fn seen(hop: Hop, way: &Way) -> Option<&Seen> {
    match way {
        Way::Seen(hops) => hops.seen(hop),
        Way::Looking | Way::Unseen(_) => None,
    }
}

fn title(hop: Hop) -> &'static str {
    match hop {
        Hop::BrowserGateway => "Browser to gateway",
        Hop::GatewayStorage => "Gateway to storage",
        Hop::GatewayCompute => "Gateway to compute",
        Hop::ComputeStorage => "Compute to storage",
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict.state {
        State::Local => "Nothing travels",
        State::Plain => "Not protected",
        State::Classical => "Protected, but not post-quantum",
        State::PostQuantum if verdict.leaves_tokens_open() => {
            "Contents post-quantum, access tokens not"
        }
        State::PostQuantum => "Post-quantum",
        State::QuantumKeys if verdict.leaves_tokens_open() => {
            "Contents under quantum keys, access tokens not"
        }
        State::QuantumKeys => "Quantum keys",
        State::Simulated => "Simulated keys only",
        State::Unknown => "Not seen",
    }
}

fn how(hop: Hop, verdict: Verdict, seen: Option<&Seen>) -> String {
    let text = match (verdict.state, verdict.but, seen) {
        (State::Local, ..) if hop == Hop::BrowserGateway => "within this computer",
        (State::Local, ..) => "within one computer",
        (_, Some(But::EndedTls), _) => "HTTPS to a server in front, plain HTTP from there",
        (_, Some(But::HiddenTls), _) => "HTTPS to a server in front of the gateway",
        (State::Plain, ..) => "plain HTTP",
        (State::Unknown, ..) | (.., None) => "could not be seen just now",
        (.., Some(seen)) => return connection(hop, seen),
    };
    text.to_owned()
}

fn connection(hop: Hop, seen: &Seen) -> String {
    let beneath = match &seen.tls {
        Some(tls) => tls_name(tls),
        None if seen.loopback => "plain HTTP within one computer".to_owned(),
        None => "plain HTTP".to_owned(),
    };
    match &seen.link {
        Some(link) if hop != Hop::BrowserGateway => {
            format!("{}; beneath it {beneath}", link_name(link))
        }
        _ => beneath,
    }
}

fn tls_name(tls: &Tls) -> String {
    let version = match tls.cipher_suite.as_str() {
        suite if suite.starts_with("TLS13_") => "TLS 1.3",
        suite if suite.starts_with("TLS_") => "TLS 1.2",
        _ => "TLS",
    };
    match tls.key_exchange.as_str() {
        "" => format!("{version}, key exchange not told"),
        name => format!("{version}, {name}"),
    }
}

fn link_name(link: &Link) -> String {
    let keys = match (link.source, link.mode) {
        (LinkSource::Etsi014, LinkMode::Qkd) => "QKD",
        (LinkSource::Etsi014, LinkMode::Hybrid) => "QKD and ML-KEM",
        (LinkSource::Qkdsimkit, LinkMode::Qkd) => "simulated QKD (QKDSimkit)",
        (LinkSource::Qkdsimkit, LinkMode::Hybrid) => "simulated QKD (QKDSimkit) and ML-KEM",
    };
    match link.key_used_ms_ago {
        Some(ms) => format!("{keys}, key used {}", format::ago(ms)),
        None => format!("{keys}, no key used yet"),
    }
}

#[cfg(test)]
mod tests {
    use LinkMode::{Hybrid, Qkd};
    use LinkSource::{Etsi014, Qkdsimkit};
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::look::Why;
    use super::super::trial::{
        AWAY, CLASSICAL, HERE, POST_QUANTUM, loopback, network, sealed, way,
    };
    use super::*;

    fn told(hop: Hop, seen: &Seen, address: Address) -> Told {
        tell(hop, &way([0; 4].map(|_| Some(seen.clone()))), address)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_line_says_what_the_ends_have_seen() {
        use Hop::{BrowserGateway, ComputeStorage, GatewayStorage};
        let pq = || network(POST_QUANTUM);
        for (hop, seen, address, state, line) in [
            (
                BrowserGateway,
                pq(),
                AWAY,
                "post-quantum",
                "Browser to gateway: TLS 1.3, X25519MLKEM768",
            ),
            (
                BrowserGateway,
                loopback(None),
                HERE,
                "local",
                "Browser to gateway: within this computer",
            ),
            (
                BrowserGateway,
                network(None),
                AWAY,
                "plain",
                "Browser to gateway: HTTPS to a server in front, plain HTTP from there",
            ),
            (
                BrowserGateway,
                loopback(None),
                AWAY,
                "classical",
                "Browser to gateway: HTTPS to a server in front of the gateway",
            ),
            (
                GatewayStorage,
                network(None),
                HERE,
                "plain",
                "Gateway to storage: plain HTTP",
            ),
            (
                GatewayStorage,
                loopback(None),
                AWAY,
                "local",
                "Gateway to storage: within one computer",
            ),
            (
                GatewayStorage,
                network(CLASSICAL),
                HERE,
                "classical",
                "Gateway to storage: TLS 1.3, X25519",
            ),
            (
                GatewayStorage,
                sealed(pq(), Etsi014, Hybrid),
                HERE,
                "post-quantum",
                "Gateway to storage: QKD and ML-KEM, key used 3 s ago; beneath it TLS 1.3, X25519MLKEM768",
            ),
            (
                ComputeStorage,
                sealed(pq(), Etsi014, Qkd),
                HERE,
                "quantum-keys",
                "Compute to storage: QKD, key used 3 s ago; beneath it TLS 1.3, X25519MLKEM768",
            ),
            (
                ComputeStorage,
                sealed(loopback(None), Qkdsimkit, Qkd),
                HERE,
                "simulated",
                "Compute to storage: simulated QKD (QKDSimkit), key used 3 s ago; beneath it plain HTTP within one computer",
            ),
        ] {
            let told = told(hop, &seen, address);
            assert_eq!((told.state.name(), told.line.as_str()), (state, line));
        }
        let mut fresh = sealed(pq(), Etsi014, Qkd);
        fresh.link.as_mut().unwrap().key_used_ms_ago = None;
        let line = told(GatewayStorage, &fresh, HERE).line;
        assert!(line.contains("no key used yet"), "{line}");
        let line = told(GatewayStorage, &network(Some("")), HERE).line;
        assert!(line.ends_with("TLS 1.3, key exchange not told"), "{line}");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn no_hop_is_called_safer_than_it_is() {
        let notes = |hop, seen: &Seen, address| told(hop, seen, address).notes.join(" ");
        for hop in Hop::ALL {
            let plain = notes(hop, &network(None), HERE);
            assert!(plain.contains("somebody on the way could"), "{hop:?}");
            let old = notes(hop, &network(CLASSICAL), AWAY);
            assert!(old.contains("quantum computer of the future"), "{hop:?}");
        }
        let away = Address::of("http:", "10.0.0.7");
        let page = told(Hop::BrowserGateway, &network(POST_QUANTUM), away);
        assert_eq!(page.state, State::Plain);
        assert!(page.notes[0].contains("alter this page itself"));
        assert!(page.notes[0].contains("https"));
        let sealed_only = sealed(network(None), Etsi014, Hybrid);
        let told = told(Hop::GatewayStorage, &sealed_only, HERE);
        assert_eq!(told.verdict, "Contents post-quantum, access tokens not");
        assert!(told.notes[0].contains("Access tokens, which fetch or delete"));
        let simulated = notes(
            Hop::GatewayStorage,
            &sealed(network(None), Qkdsimkit, Qkd),
            HERE,
        );
        assert!(simulated.contains("protect nothing"));
        let requests = notes(Hop::GatewayCompute, &network(POST_QUANTUM), HERE);
        assert_eq!(requests, "Carries requests and no image data.");
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_was_not_seen_is_not_guessed() {
        let seen = Some(network(POST_QUANTUM));
        let without_compute = way([seen.clone(), seen.clone(), None, None]);
        for hop in [Hop::GatewayCompute, Hop::ComputeStorage] {
            let told = tell(hop, &without_compute, AWAY);
            assert_eq!(told.state, State::Unknown);
            assert!(told.line.ends_with("could not be seen just now"));
            let notes = told.notes.join(" ");
            assert!(notes.contains("ompute did not answer"), "{notes}");
        }
        for hop in Hop::ALL {
            assert_eq!(tell(hop, &Way::Looking, AWAY).state, State::Unknown);
            let unseen = tell(hop, &Way::Unseen(Why::Silence), HERE);
            assert_eq!(unseen.state, State::Unknown);
        }
        let page = Address::of("http:", "darkroom.example");
        let told = tell(Hop::BrowserGateway, &Way::Unseen(Why::Silence), page);
        assert_eq!(told.state, State::Plain, "the page itself came by it");
    }
}
