//! How often a service may be asked.
//!
//! Each vault, or at compute each owner's token, has a bucket of requests that fills again as time goes
//! by, and so has each address. Whoever is refused for his credential, as one who guesses is, has a
//! smaller bucket by address, and one for vaults that he opens. A credential that was good lately is
//! not kept from its vault by what others at the same address do.
//!
//! What is told to whom depends on how often was asked and on whether this credential was good, and on
//! nothing else: a wrong token, an unknown vault and a foreign object are limited alike.

mod asked;
mod fence;
mod middleware;
mod settings;

/// What is read of a path and of a proxy's line, for the fuzz targets: whether anything.
#[doc(hidden)]
pub fn fuzz(path: &str, line: &[u8]) -> bool {
    asked::fuzz(path, line)
}

pub use self::fence::Fence;
pub use self::middleware::limit;
pub use self::settings::{ProxyHeader, RateError, RateSettings};
