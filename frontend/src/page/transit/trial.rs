//! What the tests take for seen.

use darkroom_api::protection::{Hop, Link, LinkMode, LinkSource, Party, Protection, Seen, Tls};

use super::hop::{Address, Hops};
use super::look::Way;

pub const HERE: Address = Address {
    https: false,
    local: true,
};
pub const AWAY: Address = Address {
    https: true,
    local: false,
};
pub const POST_QUANTUM: Option<&str> = Some("X25519MLKEM768");
pub const CLASSICAL: Option<&str> = Some("X25519");

/// A connection over a network, with this key exchange if any.
pub fn network(key_exchange: Option<&str>) -> Seen {
    Seen {
        loopback: false,
        tls: key_exchange.map(|name| Tls {
            key_exchange: name.to_owned(),
            cipher_suite: "TLS13_AES_256_GCM_SHA384".to_owned(),
            client_certificate: true,
        }),
        link: None,
        beyond: None,
    }
}

/// The same within one computer.
pub fn loopback(key_exchange: Option<&str>) -> Seen {
    Seen {
        loopback: true,
        ..network(key_exchange)
    }
}

/// With a sealed link on it.
pub fn sealed(seen: Seen, source: LinkSource, mode: LinkMode) -> Seen {
    let link = Link {
        mode,
        source,
        key_used_ms_ago: Some(3_400),
        messages: 12,
        keys_in_reserve: 64,
    };
    Seen {
        link: Some(link),
        ..seen
    }
}

/// A way with this seen of its hops.
pub fn way(seen: [Option<Seen>; 4]) -> Way {
    use Party::{Browser, Compute, Gateway, Storage};
    let ends = [
        (Browser, Gateway),
        (Gateway, Storage),
        (Gateway, Compute),
        (Compute, Storage),
    ];
    let hops = ends.into_iter().zip(seen);
    let hops = hops.map(|((from, to), seen)| Hop { from, to, seen });
    let hops = Hops::of(Protection {
        hops: hops.collect(),
    });
    Way::Seen(Box::new(hops.unwrap()))
}
