//! Many secrets from one.

use shake::Shake256;
use shake::digest::{ExtendableOutput, Update, XofReader};

const DOMAIN: &[u8] = b"darkroom/derive/1";

/// The secret of this label.
pub(super) fn derive<const N: usize>(master: &[u8; 32], label: &str) -> [u8; N] {
    let mut out = [0; N];
    fill(master, label, &mut out);
    out
}

/// The secret of this label, as long as `out`. Labels have fewer than 256 bytes.
pub(super) fn fill(master: &[u8; 32], label: &str, out: &mut [u8]) {
    let mut hash = Shake256::default();
    hash.update(DOMAIN);
    hash.update(&label.len().to_le_bytes()[..1]);
    hash.update(label.as_bytes());
    hash.update(master);
    hash.finalize_xof().read(out);
}
