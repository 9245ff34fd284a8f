//! Files to take away.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use leptos::prelude::document;

/// Hands a file to the browser's downloads.
pub fn file(name: &str, media_type: &str, bytes: &[u8]) {
    if let Some(blob) = as_blob(media_type, bytes) {
        self::blob(name, &blob);
    }
}

/// Bytes as the browser's own kind of file.
pub fn as_blob(media_type: &str, bytes: &[u8]) -> Option<Blob> {
    let options = BlobPropertyBag::new();
    options.set_type(media_type);
    let parts = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence_and_options(&parts, &options).ok()
}

/// Hands a blob to the browser's downloads.
pub fn blob(name: &str, blob: &Blob) {
    let Ok(address) = Url::create_object_url_with_blob(blob) else {
        return;
    };
    if let Some(link) = anchor() {
        link.set_href(&address);
        link.set_download(name);
        link.click();
    }
    // The browser has taken the blob by the time a minute is over.
    leptos::prelude::set_timeout(
        move || {
            let _ = Url::revoke_object_url(&address);
        },
        std::time::Duration::from_secs(60),
    );
}

fn anchor() -> Option<HtmlAnchorElement> {
    let element = document().create_element("a").ok()?;
    JsValue::from(element).dyn_into().ok()
}

/// 8-bit grey pixels as NumPy writes them: version 1.0, `|u1`, C order, shape (height, width).
pub fn npy(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({height}, {width}), }}");
    let padding = 64 - (10 + header.len() + 1) % 64;
    header.extend(std::iter::repeat_n(' ', padding % 64));
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(
        u16::try_from(header.len())
            .unwrap_or_default()
            .to_le_bytes(),
    );
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

/// A file name from a picture's: `scan.png` and `result.json` make `scan-result.json`.
pub fn name(picture: &str, ending: &str) -> String {
    let parts = picture.rsplit_once('.');
    let parts = parts.filter(|(stem, kind)| !stem.is_empty() && !kind.contains('/'));
    let stem = parts.map_or(picture, |(stem, _)| stem);
    let safe = |c: char| {
        if c.is_alphanumeric() || "-_. ".contains(c) {
            c
        } else {
            '-'
        }
    };
    let stem: String = stem.chars().take(60).map(safe).collect();
    format!(
        "{}-{ending}",
        if stem.is_empty() { "picture" } else { &stem }
    )
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn npy_files_are_aligned_and_whole() {
        for (width, height) in [(1, 1), (128, 128), (1000, 3)] {
            let data = vec![9; (width * height) as usize];
            let file = npy(width, height, &data);
            assert_eq!((file.len() - data.len()) % 64, 0);
            let header = u16::from_le_bytes([file[8], file[9]]);
            assert_eq!(file.len() - data.len(), 10 + usize::from(header));
            assert_eq!(file[file.len() - data.len() - 1], b'\n');
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn names_are_safe() {
        assert_eq!(
            name("scan.final.png", "result.json"),
            "scan.final-result.json"
        );
        assert_eq!(name("../a/b", "r.png"), "..-a-b-r.png");
        assert_eq!(name("", "r.png"), "picture-r.png");
    }
}
