//! What the protection of a hop means for the data, and what can be done.

use super::hop::Hop;
use super::look::{Way, Why};
use super::verdict::{But, State, Verdict};

const NO_IMAGES: &str = "Carries requests and no image data.";
const PLAIN_PAGE: &str = "Picture and result are encrypted with your key in any case. But somebody on the way could see when and how much is sent, take the access token that fetches or deletes what you have stored, and alter this page itself, and then the key is not safe either. For pictures that matter, open this page at an address with https.";
const ENDED: &str = "HTTPS ends at a server before the gateway, and the rest of the way is plain. Picture and result are encrypted with your key in any case. But somebody on that part could see when and how much is sent, take the access token that fetches or deletes what you have stored, and alter this page itself. Whoever runs the gateway can give it TLS of its own.";
const FORWARDED: &str = "The page's address is on this computer, but the gateway is asked from another one, as with a container or a forwarded port. If the gateway runs on this computer too, nothing leaves it. If not, somebody on the way could see when and how much is sent and alter this page itself: then open it at an address with https.";
const PLAIN: &str = "Picture and result are encrypted with your key in any case. But somebody on the way could see when and how much is sent, and take access tokens that fetch or delete what is stored. Whoever runs the services can give this hop TLS. A network between containers of one computer looks the same from here.";
const HIDDEN: &str = "The key exchange of that HTTPS cannot be seen from the gateway, so it counts as not post-quantum.";
const CLASSICAL: &str = "Somebody who records it today could open it with a quantum computer of the future, and would find picture and result still encrypted with your key.";
const PLAIN_TOKENS: &str = "Only what is sent is sealed. Access tokens, which fetch or delete what is stored, go beside it in plain HTTP. Whoever runs the services can give this hop TLS as well.";
const CLASSICAL_TOKENS: &str = "Only what is sent is sealed. Access tokens and addresses go beside it under TLS that a quantum computer of the future could open.";
const QKD: &str = "As safe as the key entities at both ends and the line between them, which cannot be seen from here.";
const SIMULATED: &str = "The keys come from a simulation and protect nothing; they are for trying it out. Picture and result are encrypted with your key in any case. Between computers, somebody on the way could see when and how much is sent, and take access tokens that fetch or delete what is stored.";
const UNPROVEN: &str = "The keys come from a simulation. ML-KEM keeps out those who only listen, but nothing proves who is at the other end, and access tokens go beside it. Picture and result are encrypted with your key in any case. Whoever runs the services can give this hop TLS.";

/// What a verdict means for the data, and what to do.
pub fn notes(hop: Hop, verdict: Verdict, way: &Way) -> Vec<&'static str> {
    let of_hop = (hop == Hop::GatewayCompute).then_some(NO_IMAGES);
    let of_state = match verdict.state {
        State::Plain if hop == Hop::BrowserGateway => match verdict.but {
            Some(But::EndedTls) => Some(ENDED),
            Some(But::Forwarded) => Some(FORWARDED),
            _ => Some(PLAIN_PAGE),
        },
        State::Plain => Some(PLAIN),
        State::Classical if verdict.but.is_some() => Some(HIDDEN),
        State::Classical => Some(CLASSICAL),
        State::QuantumKeys => Some(QKD),
        State::Simulated if verdict.but.is_some() => Some(UNPROVEN),
        State::Simulated => Some(SIMULATED),
        State::Unknown => unanswered(hop, way),
        State::Local | State::PostQuantum => None,
    };
    let of_tokens = match verdict.but {
        Some(But::PlainTokens) => Some(PLAIN_TOKENS),
        Some(But::ClassicalTokens) => Some(CLASSICAL_TOKENS),
        _ => None,
    };
    [of_hop, of_state, of_tokens]
        .into_iter()
        .flatten()
        .collect()
}

/// Why one hop was not seen, where others were.
fn unanswered(hop: Hop, way: &Way) -> Option<&'static str> {
    let Way::Seen(hops) = way else {
        return None;
    };
    Some(match hop {
        Hop::BrowserGateway => "The gateway did not tell.",
        Hop::GatewayStorage => "Storage did not answer the gateway.",
        Hop::GatewayCompute => "Compute did not answer the gateway.",
        Hop::ComputeStorage if hops.seen(Hop::GatewayCompute).is_some() => {
            "Storage did not answer compute."
        }
        Hop::ComputeStorage => "Only compute sees it, and compute did not answer.",
    })
}

/// Why the way cannot be seen, and what to do.
pub fn why(why: Why) -> &'static str {
    match why {
        Why::Silence => {
            "The gateway does not answer, and only through it the connections can be seen. The page asks again every few seconds while this is open."
        }
        Why::Busy => {
            "The gateway answers, but cannot tell just now. The page asks again every few seconds while this is open."
        }
        Why::NoGateway => {
            "This page is not served by Darkroom's gateway, or by an old one, so nobody tells what protects the way. Whoever runs it can put a new gateway in its place."
        }
        Why::Newer => {
            "The gateway tells more than this page understands. Load the page again to get the one that fits."
        }
    }
}
