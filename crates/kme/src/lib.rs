//! Key management entities with a simulated BB84 link.
