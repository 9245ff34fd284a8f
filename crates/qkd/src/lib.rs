//! Message bodies between two services, sealed with keys from quantum key distribution (QKD) and, in
//! hybrid mode, ML-KEM-768 besides.
//!
//! Nothing uses it yet: the sources of keys and the links of the services are still to come.

pub mod key;
pub mod message;
pub mod source;
