//! What a hop may be called, and never safer than it is.

use darkroom_api::protection::{LinkMode, LinkSource, Seen, Tls};

use super::hop::{Address, Hop};

/// What protects a hop, from nothing that is needed to nothing that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Both ends are on one computer.
    Local,
    /// Nothing.
    Plain,
    /// TLS that a quantum computer could open.
    Classical,
    /// TLS or a sealed link with ML-KEM.
    PostQuantum,
    /// A link sealed with QKD keys.
    QuantumKeys,
    /// A link sealed with keys of a simulation, and nothing else that holds.
    Simulated,
    /// It was not seen.
    Unknown,
}

impl State {
    /// Its name for tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Plain => "plain",
            Self::Classical => "classical",
            Self::PostQuantum => "post-quantum",
            Self::QuantumKeys => "quantum-keys",
            Self::Simulated => "simulated",
            Self::Unknown => "unknown",
        }
    }
}

/// What a state alone would leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum But {
    /// HTTPS ends at something on the gateway's computer, and how it began is not seen.
    HiddenTls,
    /// HTTPS ends somewhere between, and what follows is plain.
    EndedTls,
    /// The page is at an address of this computer, and the gateway is asked from another one.
    Forwarded,
    /// The link's keys do not say who is at its other end.
    Unproven,
    /// A link seals bodies; the tokens in the headers are in plain view.
    PlainTokens,
    /// They are under TLS that a quantum computer could open.
    ClassicalTokens,
}

/// What a hop is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What protects it.
    pub state: State,
    /// What is to be said beyond that.
    pub but: Option<But>,
}

impl Verdict {
    /// Whether tokens are less safe than what is sent.
    pub fn leaves_tokens_open(&self) -> bool {
        matches!(self.but, Some(But::PlainTokens | But::ClassicalTokens))
    }
}

impl From<State> for Verdict {
    fn from(state: State) -> Self {
        Self { state, but: None }
    }
}

/// What a hop may be called, by what its ends have seen and by the page's address.
pub fn judge(hop: Hop, seen: Option<&Seen>, address: Address) -> Verdict {
    match (hop, seen) {
        (Hop::BrowserGateway, _) => browser(seen, address),
        (_, Some(seen)) => services(seen),
        (_, None) => State::Unknown.into(),
    }
}

/// The gateway sees its end only, and the page the other: each may have something in front of it.
fn browser(seen: Option<&Seen>, address: Address) -> Verdict {
    let but = |state, but| Verdict {
        state,
        but: Some(but),
    };
    let Address { https, local } = address;
    match seen {
        _ if !https && !local => State::Plain.into(),
        None => State::Unknown.into(),
        Some(Seen { tls: Some(tls), .. }) if local => strength(tls).into(),
        Some(seen) => match (&seen.tls, seen.loopback, https) {
            (Some(tls), false, _) => strength(tls).into(),
            (Some(_), true, _) | (None, true, true) => but(State::Classical, But::HiddenTls),
            (None, false, true) => but(State::Plain, But::EndedTls),
            (None, true, false) => State::Local.into(),
            (None, false, false) => but(State::Plain, But::Forwarded),
        },
    }
}

/// TLS says who is at the other end, QKD keys do as well, ML-KEM alone does not.
fn services(seen: &Seen) -> Verdict {
    let tls = seen.tls.as_ref().map(strength);
    let Some(link) = &seen.link else {
        return match tls {
            Some(state) => state.into(),
            None if seen.loopback => State::Local.into(),
            None => State::Plain.into(),
        };
    };
    let open = match tls {
        _ if seen.loopback => None,
        None => Some(But::PlainTokens),
        Some(State::PostQuantum) => None,
        Some(_) => Some(But::ClassicalTokens),
    };
    let (state, but) = match (link.source, link.mode) {
        (LinkSource::Etsi014, LinkMode::Hybrid) => (State::PostQuantum, open),
        (LinkSource::Etsi014, LinkMode::Qkd) => (State::QuantumKeys, open),
        (LinkSource::Qkdsimkit, LinkMode::Hybrid) if tls.is_some() => (State::PostQuantum, open),
        (LinkSource::Qkdsimkit, LinkMode::Hybrid) => (State::Simulated, Some(But::Unproven)),
        (LinkSource::Qkdsimkit, LinkMode::Qkd) => (tls.unwrap_or(State::Simulated), None),
    };
    Verdict { state, but }
}

/// The names that rustls and the IANA have for ML-KEM beside an elliptic curve.
const POST_QUANTUM: [&str; 3] = ["X25519MLKEM768", "secp256r1MLKEM768", "secp384r1MLKEM1024"];

fn strength(tls: &Tls) -> State {
    let is = |name: &&str| tls.key_exchange.eq_ignore_ascii_case(name);
    match POST_QUANTUM.iter().any(is) {
        true => State::PostQuantum,
        false => State::Classical,
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::super::trial::{AWAY, CLASSICAL, HERE, POST_QUANTUM, loopback, network, sealed};
    use super::LinkMode::{Hybrid, Qkd};
    use super::LinkSource::{Etsi014, Qkdsimkit};
    use super::*;

    fn verdict(state: State, but: impl Into<Option<But>>) -> Verdict {
        let but = but.into();
        Verdict { state, but }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn services_without_a_link_are_judged_by_tls_and_by_where_they_are() {
        for (seen, state) in [
            (loopback(None), State::Local),
            (network(None), State::Plain),
            (network(CLASSICAL), State::Classical),
            (loopback(CLASSICAL), State::Classical),
            (network(POST_QUANTUM), State::PostQuantum),
            (loopback(POST_QUANTUM), State::PostQuantum),
            (network(Some("secp256r1MLKEM768")), State::PostQuantum),
            (network(Some("SecP384r1MLKEM1024")), State::PostQuantum),
            (network(Some("")), State::Classical),
            (network(Some("NotX25519MLKEM768")), State::Classical),
            (network(Some("Unknown(4590)")), State::Classical),
        ] {
            for hop in &Hop::ALL[1..] {
                assert_eq!(judge(*hop, Some(&seen), HERE), state.into(), "{seen:?}");
                assert_eq!(judge(*hop, Some(&seen), AWAY), state.into(), "{seen:?}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_link_is_called_what_its_keys_are_and_what_it_leaves_open_is_told() {
        use State::{PostQuantum, QuantumKeys};
        let (plain, old) = (But::PlainTokens, But::ClassicalTokens);
        for (mode, state) in [(Hybrid, PostQuantum), (Qkd, QuantumKeys)] {
            for (beneath, but) in [
                (network(POST_QUANTUM), None),
                (network(CLASSICAL), Some(old)),
                (network(None), Some(plain)),
                (loopback(None), None),
                (loopback(CLASSICAL), None),
            ] {
                let seen = sealed(beneath, Etsi014, mode);
                let judged = judge(Hop::GatewayStorage, Some(&seen), HERE);
                assert_eq!(judged, verdict(state, but), "{seen:?}");
            }
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn simulated_keys_count_for_nothing() {
        use State::{Classical, PostQuantum, Simulated};
        for (mode, beneath, expected) in [
            (Qkd, network(None), verdict(Simulated, None)),
            (Qkd, loopback(None), verdict(Simulated, None)),
            (Qkd, network(CLASSICAL), verdict(Classical, None)),
            (Qkd, network(POST_QUANTUM), verdict(PostQuantum, None)),
            // Who is there was said neither by a key nor by a certificate.
            (Hybrid, network(None), verdict(Simulated, But::Unproven)),
            (Hybrid, loopback(None), verdict(Simulated, But::Unproven)),
            (
                Hybrid,
                network(CLASSICAL),
                verdict(PostQuantum, But::ClassicalTokens),
            ),
            (Hybrid, network(POST_QUANTUM), verdict(PostQuantum, None)),
        ] {
            let seen = sealed(beneath, Qkdsimkit, mode);
            let judged = judge(Hop::ComputeStorage, Some(&seen), HERE);
            assert_eq!(judged, expected, "{seen:?}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_browsers_hop_is_what_both_its_ends_say() {
        use State::{Classical, Local, Plain, PostQuantum, Unknown};
        let at = |https, local| Address { https, local };
        let (here, here_tls) = (at(false, true), at(true, true));
        let (away, away_tls) = (at(false, false), at(true, false));
        for (address, seen, expected) in [
            (here, Some(loopback(None)), verdict(Local, None)),
            (here, Some(network(None)), verdict(Plain, But::Forwarded)),
            (here, None, verdict(Unknown, None)),
            (
                here_tls,
                Some(loopback(POST_QUANTUM)),
                verdict(PostQuantum, None),
            ),
            (
                here_tls,
                Some(network(POST_QUANTUM)),
                verdict(PostQuantum, None),
            ),
            (
                here_tls,
                Some(loopback(None)),
                verdict(Classical, But::HiddenTls),
            ),
            (away, Some(loopback(None)), verdict(Plain, None)),
            (away, Some(network(POST_QUANTUM)), verdict(Plain, None)),
            (away, None, verdict(Plain, None)),
            (
                away_tls,
                Some(network(POST_QUANTUM)),
                verdict(PostQuantum, None),
            ),
            (away_tls, Some(network(CLASSICAL)), verdict(Classical, None)),
            (
                away_tls,
                Some(loopback(POST_QUANTUM)),
                verdict(Classical, But::HiddenTls),
            ),
            (
                away_tls,
                Some(loopback(None)),
                verdict(Classical, But::HiddenTls),
            ),
            (away_tls, Some(network(None)), verdict(Plain, But::EndedTls)),
            (away_tls, None, verdict(Unknown, None)),
        ] {
            let judged = judge(Hop::BrowserGateway, seen.as_ref(), address);
            assert_eq!(judged, expected, "{address:?} {seen:?}");
        }
        let sealed = sealed(network(None), Etsi014, Hybrid);
        let judged = judge(Hop::BrowserGateway, Some(&sealed), AWAY);
        assert_eq!(judged.state, Plain, "no link ends in a browser");
    }
}
