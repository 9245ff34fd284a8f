//! The sealed link between services and the sources of its keys.

use bytes::Bytes;
use darkroom_qkd::key::Key;
use darkroom_qkd::link::Hello;
use darkroom_qkd::message::{
    Context, Direction, HEADER_BYTES_MAX, Header, MessageError, Mode, Opener, SEGMENT_BYTES,
    SHARED_SECRET_BYTES, SharedSecret,
};
use zeroize::Zeroizing;

use crate::{SMALL_BYTES, within};

/// A message at the place and under the key of the vectors in docs/PROTOCOL.md, in pieces of as many bytes as the first
/// byte says. The pieces make no difference, and no more is held than a segment and a piece.
pub fn sealed_message(bytes: &[u8]) -> bool {
    let Some((&size, message)) = bytes.split_first() else {
        return false;
    };
    let whole = opened(message, message.len().max(1));
    let pieces = opened(message, usize::from(size).max(1));
    assert_eq!(whole, pieces);
    whole.is_ok()
}

fn opened(message: &[u8], piece_bytes: usize) -> Result<Vec<u8>, MessageError> {
    let header_bytes = Header::expected_bytes(message)?;
    assert!(header_bytes <= HEADER_BYTES_MAX);
    let head = message.get(..header_bytes).ok_or(MessageError::Truncated)?;
    let header = Header::parse(&Bytes::copy_from_slice(head))?;
    assert_eq!(header.to_bytes(), head);
    let key = std::array::from_fn(|at| u8::try_from(at).unwrap_or_default());
    let key = Key::new(header.key, Zeroizing::new(key));
    let shared = SharedSecret::new(Zeroizing::new([0x5a; SHARED_SECRET_BYTES]));
    let shared = (header.mode() == Mode::Hybrid).then_some(&shared);
    let mut opener = Opener::new(&header, key, shared, &CONTEXT)?;
    let rest = &message[header_bytes..];
    let mut body = Vec::with_capacity(rest.len());
    // What is pending may be moved once to a place of twice its size.
    let held = 3 * (SEGMENT_BYTES + rest.len().min(piece_bytes)) + SMALL_BYTES;
    for piece in rest.chunks(piece_bytes) {
        within(held, || {
            opener.push(piece);
            while let Some(plain) = opener.next_segment()? {
                body.extend_from_slice(&plain);
            }
            Ok(())
        })?;
    }
    opener.finish()?;
    let announced = header.length_bytes.unwrap_or(body.len() as u64);
    assert_eq!(announced, body.len() as u64);
    Ok(body)
}

const CONTEXT: Context<'_> = Context {
    direction: Direction::Request,
    client: "gateway",
    server: "storage-gateway",
    exchange: [0xe1; 16],
    epoch: [0xe2; 16],
    method: "PUT",
    target: "/v1/vaults/00/images/11",
    content_type: "application/octet-stream",
};

/// The server's hello, or the line in a request that names the link.
pub fn link_hello(bytes: &[u8]) -> bool {
    let bytes_max = 8 * bytes.len() + SMALL_BYTES;
    if let Ok(hello) = within(bytes_max, || serde_json::from_slice::<Hello>(bytes)) {
        let text = serde_json::to_vec(&hello).unwrap_or_default();
        assert!(serde_json::from_slice::<Hello>(&text).is_ok_and(|again| again == hello));
        // Any bytes of the right length may be a key or not.
        let _ = darkroom_qkd::message::encapsulate(&hello.encapsulation_key);
        return true;
    }
    let text = std::str::from_utf8(bytes);
    text.is_ok_and(|text| within(2 * bytes_max, || darkroom_qkd::fuzz::line(text)))
}

/// An answer of a key management entity (ETSI GS QKD 014) or of a node of QKDSimkit; the first byte
/// is its status less 200.
pub fn key_answer(bytes: &[u8]) -> bool {
    let bytes_max = 64 * bytes.len() + SMALL_BYTES;
    within(bytes_max, || darkroom_qkd::fuzz::answer(bytes))
}
