//! The hops of the way, what was seen of them, and where the page stands.

use std::net::Ipv4Addr;

use darkroom_api::protection::{Party, Protection, Seen};
use leptos::prelude::window;

/// A hop of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// From the browser to the gateway.
    BrowserGateway,
    /// From the gateway to storage.
    GatewayStorage,
    /// From the gateway to compute.
    GatewayCompute,
    /// From compute to storage.
    ComputeStorage,
}

impl Hop {
    /// All of them, in the order of the way.
    pub const ALL: [Self; 4] = [
        Self::BrowserGateway,
        Self::GatewayStorage,
        Self::GatewayCompute,
        Self::ComputeStorage,
    ];

    /// Its name for tests.
    pub fn name(self) -> &'static str {
        match self {
            Self::BrowserGateway => "browser-gateway",
            Self::GatewayStorage => "gateway-storage",
            Self::GatewayCompute => "gateway-compute",
            Self::ComputeStorage => "compute-storage",
        }
    }

    fn between(from: Party, to: Party) -> Option<Self> {
        match (from, to) {
            (Party::Browser, Party::Gateway) => Some(Self::BrowserGateway),
            (Party::Gateway, Party::Storage) => Some(Self::GatewayStorage),
            (Party::Gateway, Party::Compute) => Some(Self::GatewayCompute),
            (Party::Compute, Party::Storage) => Some(Self::ComputeStorage),
            _ => None,
        }
    }
}

/// What the ends have seen of each hop.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hops([Option<Seen>; 4]);

impl Hops {
    /// From the gateway's answer; nothing if it tells of hops that this page does not know, for then
    /// it could not say anything of every hop.
    pub fn of(protection: Protection) -> Option<Self> {
        let mut hops = Self::default();
        let mut told = Vec::new();
        for hop in protection.hops {
            let which = Hop::between(hop.from, hop.to).filter(|which| !told.contains(which))?;
            told.push(which);
            hops.0[which as usize] = hop.seen;
        }
        Some(hops)
    }

    /// What was seen of one.
    pub fn seen(&self, hop: Hop) -> Option<&Seen> {
        self.0[hop as usize].as_ref()
    }
}

/// What the page's own address tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Whether it begins with `https`.
    pub https: bool,
    /// Whether it is on this computer.
    pub local: bool,
}

impl Address {
    /// By protocol and host name, as in `location`.
    pub fn of(protocol: &str, host: &str) -> Self {
        let loopback = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
        let local = host == "localhost" || host.ends_with(".localhost") || host == "[::1]";
        Self {
            https: protocol == "https:",
            local: local || loopback(host),
        }
    }

    /// The address of this page.
    pub fn here() -> Self {
        let location = window().location();
        Self::of(
            &location.protocol().unwrap_or_default(),
            &location.hostname().unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn an_address_is_local_only_if_it_cannot_be_another_computers() {
        for host in [
            "localhost",
            "app.localhost",
            "127.0.0.1",
            "127.8.9.10",
            "[::1]",
        ] {
            assert!(Address::of("http:", host).local, "{host}");
        }
        for host in [
            "localhost.example.org",
            "127.0.0.1.example.org",
            "127.example.org",
            "notlocalhost",
            "10.0.0.7",
            "0.0.0.0",
            "[fe80::1]",
            "",
        ] {
            assert!(!Address::of("http:", host).local, "{host}");
        }
        assert!(Address::of("https:", "example.org").https);
        assert!(!Address::of("http:", "https.example.org").https);
    }
}
