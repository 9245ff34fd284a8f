//! Placeholder, about to be filled.
