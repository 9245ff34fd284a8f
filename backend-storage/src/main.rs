//! Placeholder, about to be filled.
fn main() {}
