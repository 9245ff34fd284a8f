//! What storage and the gateway read of requests.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use bytes::Bytes;
use darkroom_api::header::{HEADER_BYTES, ObjectKind};
use darkroom_api::ids::{KeyId, ModelId, ObjectId};
use darkroom_api::token::Token;
use gateway::Origin;
use gateway::fuzz::Page;
use tokio::runtime::{Builder, Runtime};

use crate::{SMALL_BYTES, within};

/// The most bytes of an object here.
const OBJECT_BYTES_MAX: u64 = 1 << 20;

/// An upload: a byte for the kind, a byte for the pieces' length, 0 for all at once, a byte that
/// says whether a length is announced and by how much it is wrong; then the object.
pub fn upload(bytes: &[u8]) -> bool {
    let Some((&[kind, size, wrong], object)) = bytes.split_first_chunk() else {
        return false;
    };
    let kind = ObjectKind::ALL[usize::from(kind) % ObjectKind::ALL.len()];
    let size = match size {
        0 => object.len().max(1),
        size => size.into(),
    };
    let pieces: Vec<Bytes> = object.chunks(size).map(Bytes::copy_from_slice).collect();
    let announced = wrong
        .checked_sub(1)
        .map(|more| object.len() as u64 + u64::from(more));
    let runtime = runtime();
    let upload = backend_storage::fuzz::upload(pieces, announced, kind, OBJECT_BYTES_MAX);
    // The pieces are there before; of the object no more is kept than what came with its header.
    let kept = HEADER_BYTES + size.min(object.len());
    let taken = within(4 * kept + SMALL_BYTES, || runtime.block_on(upload));
    taken.is_some_and(|payload_bytes| {
        assert_eq!(payload_bytes + HEADER_BYTES as u64, object.len() as u64);
        true
    })
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(
        || match Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime: {error}"),
        },
    )
}

/// What a request is asked with, `Authorization` and an invitation with a line break between; and
/// ids, names and tokens as they stand in paths and bodies.
pub fn credentials(bytes: &[u8]) -> bool {
    let mut lines = bytes.splitn(2, |&byte| byte == b'\n');
    let (first, second) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let bytes_max = 4 * bytes.len() + SMALL_BYTES;
    let asked = within(bytes_max, || {
        backend_storage::fuzz::credentials(first, second)
    });
    asked | std::str::from_utf8(bytes).is_ok_and(|text| within(bytes_max, || name(text)))
}

fn name(text: &str) -> bool {
    let mut taken = false;
    if let Ok(id) = text.parse::<ObjectId>() {
        assert_eq!(id.to_string(), text);
        taken = true;
    }
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(model) = text.parse::<ModelId>() {
        assert_eq!(model.to_string(), text);
        assert!(!text.contains(['/', '.', '\\', '\0']));
        taken = true;
    }
    if let Ok(token) = text.parse::<Token>() {
        assert_eq!(token.danger_reveal(), text.to_ascii_lowercase());
        taken = true;
    }
    taken
}

/// What limits go by: a path, and a proxy's line that says whom it asks for, with a line break
/// between.
pub fn asked(bytes: &[u8]) -> bool {
    let mut lines = bytes.splitn(2, |&byte| byte == b'\n');
    let (path, line) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let Ok(path) = std::str::from_utf8(path) else {
        return false;
    };
    within(8 * bytes.len() + SMALL_BYTES, || {
        darkroom_rate::fuzz(path, line)
    })
}

/// A grant, as what is signed or as what a request is asked with.
pub fn grant(bytes: &[u8]) -> bool {
    // Written, signed, in base64, and read again.
    within(16 * bytes.len() + SMALL_BYTES, || {
        backend_storage::fuzz::grant(bytes)
    })
}

/// A path that the gateway may pass on.
pub fn gateway_path(bytes: &[u8]) -> bool {
    static ORIGIN: OnceLock<Origin> = OnceLock::new();
    let origin = ORIGIN.get_or_init(|| match Origin::parse("origin", "http://storage:7001") {
        Ok(origin) => origin,
        Err(error) => panic!("no origin: {error}"),
    });
    within(16 * bytes.len() + SMALL_BYTES, || {
        gateway::fuzz::target(bytes, origin)
    })
}

/// The file of the page that the folder has beside its `index.html`.
const FILE: (&str, &[u8]) = ("boot.js", b"let started = true;\n");
const INDEX: &str = "<script nonce=\"{{__TRUNK NONCE__}}\"></script>";
/// Beside the folder: nothing may lead there.
const SECRET: (&str, &[u8]) = ("secret.txt", b"not of the page");

/// A path of the page, and the values of `Accept-Encoding` and `If-None-Match`, with line breaks
/// between. Nothing but the page's own files is ever sent.
pub fn gateway_page(bytes: &[u8]) -> bool {
    static PAGE: OnceLock<Page> = OnceLock::new();
    let page = PAGE.get_or_init(page);
    let mut lines = bytes.splitn(3, |&byte| byte == b'\n');
    let [path, encoding, tag] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let answer = within(64 * bytes.len() + SMALL_BYTES, || {
        page.answer(path, encoding, tag)
    });
    let Some(body) = answer else {
        return false;
    };
    let is_index = body.starts_with(b"<script nonce=");
    assert!(is_index || body == FILE.1 || body.is_empty());
    true
}

fn page() -> Page {
    let outside = std::env::temp_dir().join(format!("darkroom-fuzzed-{}", std::process::id()));
    let folder = outside.join("dist");
    let write = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes);
    let written = fs::create_dir_all(&folder)
        .and_then(|()| write(folder.join(FILE.0), FILE.1))
        .and_then(|()| write(folder.join("index.html"), INDEX.as_bytes()))
        .and_then(|()| write(outside.join(SECRET.0), SECRET.1));
    let page = written.ok().and_then(|()| Page::load(&folder));
    let _ = fs::remove_dir_all(&outside);
    match page {
        Some(page) => page,
        None => panic!("there is no room for a page in {}", outside.display()),
    }
}
