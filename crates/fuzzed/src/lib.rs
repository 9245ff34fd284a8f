//! What is fuzzed: every parser that bytes from the network, or from files of others, reach.
//!
//! Each target is a function of bytes that says whether the parser took them. It panics where the
//! parser does, where it holds more memory than the input, or what the input may announce, gives it
//! a right to, and where what was read and written again is not the same. The fuzz targets in `fuzz/` and
//! the test `inputs`, which runs what is stored in `fuzz/seeds` and `fuzz/findings`, call the same
//! functions.

mod allocation;
mod contract;
#[cfg(feature = "fhe")]
mod files;
#[cfg(feature = "services")]
mod kme;
#[cfg(feature = "services")]
mod link;
#[cfg(feature = "fhe")]
mod payloads;
#[cfg(feature = "services")]
mod services;

pub use allocation::within;

/// A parser by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of the fuzz target and of the folder of its seeds.
    pub name: &'static str,
    /// Whether it took these bytes.
    pub takes: fn(&[u8]) -> bool,
}

macro_rules! targets {
    ($($(#[$meta:meta])* $module:ident::$name:ident,)*) => {
        $($(#[$meta])* pub use $module::$name;)*

        /// All of them, those that most can reach first.
        pub const TARGETS: &[Target] = &[
            $($(#[$meta])* Target { name: stringify!($name), takes: $name },)*
        ];
    };
}

targets! {
    contract::object,
    #[cfg(feature = "services")]
    services::upload,
    #[cfg(feature = "services")]
    services::credentials,
    #[cfg(feature = "services")]
    services::asked,
    #[cfg(feature = "services")]
    services::grant,
    #[cfg(feature = "services")]
    services::gateway_path,
    #[cfg(feature = "services")]
    services::gateway_page,
    contract::body,
    contract::events,
    contract::log_chain,
    #[cfg(feature = "services")]
    link::sealed_message,
    #[cfg(feature = "services")]
    link::link_hello,
    #[cfg(feature = "services")]
    link::key_answer,
    #[cfg(feature = "services")]
    kme::kme_request,
    #[cfg(feature = "services")]
    kme::kme_message,
    #[cfg(feature = "services")]
    kme::kme_session,
    #[cfg(feature = "fhe")]
    payloads::image_payload,
    #[cfg(feature = "fhe")]
    payloads::result_payload,
    #[cfg(feature = "fhe")]
    payloads::key_part,
    #[cfg(feature = "fhe")]
    files::picture,
    #[cfg(feature = "fhe")]
    files::npy,
    #[cfg(feature = "fhe")]
    files::npz,
    #[cfg(feature = "fhe")]
    files::key_file,
    #[cfg(feature = "fhe")]
    files::age_file,
    #[cfg(feature = "fhe")]
    files::model,
}

/// What any parser may hold besides what goes with its input: messages, buffers of fixed size.
const SMALL_BYTES: usize = 64 << 10;
