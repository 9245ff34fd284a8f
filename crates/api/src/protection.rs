//! What protects each hop, as the ends of its connections see it.

use serde::{Deserialize, Serialize};

/// The answer of the gateway's [`crate::routes::GATEWAY_PROTECTION`]: every hop of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// In the order of the way.
    pub hops: Vec<Hop>,
}

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hop {
    /// Who asks.
    pub from: Party,
    /// Who answers.
    pub to: Party,
    /// What protects it; nothing if the one could not reach the other just now.
    pub seen: Option<Seen>,
}

/// The ends of hops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The owner's browser.
    Browser,
    /// The gateway.
    Gateway,
    /// Storage.
    Storage,
    /// Compute.
    Compute,
}

/// What protects a connection: the answer of [`crate::routes::PROTECTION`] about the connection that
/// it was asked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Seen {
    /// Whether both ends are on one machine, so that nothing travels.
    pub loopback: bool,
    /// TLS, if there is.
    pub tls: Option<Tls>,
    /// The sealed link, if there is.
    pub link: Option<Link>,
    /// The hop beyond, where the one who answers is a client himself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub beyond: Option<Box<Hop>>,
}

/// What TLS has negotiated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Tls {
    /// The group of the key exchange, as `X25519MLKEM768`.
    pub key_exchange: String,
    /// The cipher suite, as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// Whether the client showed a certificate that was verified.
    pub client_certificate: bool,
}

/// A sealed link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Link {
    /// What a message's key is made of.
    pub mode: LinkMode,
    /// Where the QKD keys come from.
    pub source: LinkSource,
    /// How long ago a key was last used, by this process.
    pub key_used_ms_ago: Option<u64>,
    /// Messages sealed and opened since the service was started.
    pub messages: u64,
    /// Keys in reserve at the end that answers.
    pub keys_in_reserve: u64,
}

/// What a message's key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkMode {
    /// A QKD key.
    Qkd,
    /// A QKD key and an ML-KEM shared secret.
    Hybrid,
}

/// Where QKD keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkSource {
    /// A key management entity that speaks ETSI GS QKD 014.
    Etsi014,
    /// QKDSimkit, a simulation that protects nothing.
    Qkdsimkit,
}
