//! What the stations are made of.

pub mod announce;
pub mod ask;
pub mod banner;
pub mod canvas;
pub mod copy;
pub mod dialog;
pub mod glyph;
pub mod intake;
pub mod invitation;
pub mod large_key;
pub mod problem;
pub mod ring;
pub mod theme;
