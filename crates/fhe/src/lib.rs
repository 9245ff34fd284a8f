//! The FHE core of Darkroom: pictures become ciphertexts, models are evaluated on them, and the owner
//! of the key reads the answer. Pure: no I/O, no clock, the same on a server and in a browser.
//!
//! | module | what is in it |
//! |---|---|
//! | [`params`] | the parameter sets: dimensions, noise, encoding |
//! | [`picture`] | any decoded picture becomes the grey pixels that a model takes |
//! | [`wire`] | what is sent and stored: encrypted images and results |
//! | [`model`] | a model from its folder: checked, quantised, its noise predicted |
//! | [`eval`] | one walk through a model, on ciphertexts or in the clear |
//! | [`noise`] | how much noise every step adds, and the chance that it is too much |
//! | [`seed`] | randomness |
//! | `keys` | feature `client`: the owner's key, encryption and decryption |
//!
//! The encoding, once: pixel `p` (0 to 255) of an image is the torus element `p * 2^32` of 2^64, and
//! is coefficient `i % 2048` of GLWE `i / 2048`, `i` counting pixels row by row. Every model takes
//! that; a model's integer weights give each of its scores a scale of its own, which travels with
//! the result in its [`wire::Reading`].

mod answer;
#[cfg(feature = "client")]
mod decrypt;
#[cfg(feature = "client")]
mod encrypt;
mod error;
pub mod eval;
#[cfg(feature = "client")]
pub mod keys;
mod labelled;
mod mask;
pub mod model;
pub mod noise;
mod npy;
mod npz;
pub mod params;
pub mod picture;
mod pixels;
mod product;
pub mod seed;
mod straighten;
mod stream;
pub mod wire;

pub use answer::{Answer, Head};
pub use error::Error;
pub use labelled::Labelled;

// Where the page does the same work.
#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
