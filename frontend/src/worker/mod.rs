//! The worker's side: the only place where the key is.

/// Starts to take requests.
pub fn start() {}
