//! Message bodies between two services, sealed with keys from quantum key distribution (QKD) and, in
//! hybrid mode, ML-KEM-768 besides: the form of a [`message`], where keys come from ([`source`],
//! [`reserve`]), and the two ends of a [`link`].

#[doc(hidden)]
pub mod fuzz;
pub mod key;
pub mod link;
pub mod message;
pub mod reserve;
pub mod source;
