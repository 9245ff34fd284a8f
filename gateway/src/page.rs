//! The built page, in memory, compressed once.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, ContentEncoding, ETAG, Encoding, EntityTag,
    Header, IfNoneMatch, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::headers::{POLICY, POLICY_OF_FILES, nonce, policy_of_page};

const INDEX: &str = "/index.html";
/// What trunk writes where a nonce belongs.
const PLACEHOLDER: &str = "{{__TRUNK NONCE__}}";
const BROTLI_QUALITY: u32 = 11;
const BROTLI_WINDOW_BITS: u32 = 22;
const BUFFER_BYTES: usize = 64 << 10;

/// The page's files by their path in a request.
pub(crate) struct Page {
    /// The page itself, cut where the nonce goes.
    index: Vec<String>,
    files: HashMap<String, File>,
}

struct File {
    content_type: &'static str,
    hashed: bool,
    digest: String,
    plain: Bytes,
    gzip: OnceLock<Bytes>,
    brotli: OnceLock<Bytes>,
}

impl Page {
    /// Reads the folder that trunk has written.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let mut files = HashMap::new();
        read_into(&mut files, folder, "")?;
        let path = folder.join("index.html");
        let index = files.remove(INDEX).ok_or_else(|| Error::Page {
            path: path.clone(),
            source: io::ErrorKind::NotFound.into(),
        })?;
        let text = String::from_utf8_lossy(&index.plain);
        let index: Vec<_> = text.split(PLACEHOLDER).map(str::to_owned).collect();
        if index.len() == 1 {
            let placeholder = PLACEHOLDER;
            return Err(Error::NoNonce { path, placeholder });
        }
        Ok(Self { index, files })
    }

    /// Starts to compress, on a thread of its own. Until a file's turn has come it is sent as it is.
    pub(crate) fn compress(self: &Arc<Self>) -> io::Result<()> {
        let page = Arc::clone(self);
        let work = move || {
            if let Err(error) = page.files.values().try_for_each(File::compress) {
                tracing::warn!("the page cannot be compressed: {error}");
            }
        };
        std::thread::Builder::new()
            .name("compress".into())
            .spawn(work)?;
        Ok(())
    }

    /// Answers a `GET` or `HEAD` outside the API.
    pub(crate) fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, Error> {
        let path = request.uri().path();
        if path == "/" {
            return self.answer_index();
        }
        let file = self.files.get(path).ok_or(Error::NotFound)?;
        Ok(file.answer(request))
    }

    fn answer_index(&self) -> Result<HttpResponse, Error> {
        let nonce = nonce()?;
        // A copy kept anywhere would hand one nonce out twice.
        Ok(HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((POLICY, policy_of_page(&nonce)))
            .content_type("text/html; charset=utf-8")
            .body(self.index.join(&nonce)))
    }
}

impl File {
    fn read(path: &Path, name: &str) -> Result<Self, Error> {
        let plain = std::fs::read(path).map_err(|source| Error::Page {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            content_type: content_type(name),
            hashed: is_hashed(name),
            digest: hex::encode(Sha256::digest(&plain)),
            plain: plain.into(),
            gzip: OnceLock::new(),
            brotli: OnceLock::new(),
        })
    }

    fn compress(&self) -> io::Result<()> {
        if !is_compressible(self.content_type) {
            return Ok(());
        }
        let gzip = gzip(&self.plain)?;
        if gzip.len() < self.plain.len() {
            self.gzip.get_or_init(|| gzip.into());
        }
        let brotli = brotli(&self.plain)?;
        if brotli.len() < self.plain.len() {
            self.brotli.get_or_init(|| brotli.into());
        }
        Ok(())
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let (encoding, body) = self.negotiate(request);
        let tag = EntityTag::new_strong(format!("{}-{}", &self.digest[..32], encoding.as_str()));
        let cache = match self.hashed {
            true => "public, max-age=31536000, immutable",
            false => "no-cache",
        };
        let known = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
            Err(_) => false,
        };
        let mut response = match known {
            true => HttpResponse::NotModified(),
            false => HttpResponse::Ok(),
        };
        response
            .insert_header((ETAG, tag.to_string()))
            .insert_header((CACHE_CONTROL, cache))
            .insert_header((VARY, "accept-encoding"))
            .insert_header((POLICY, POLICY_OF_FILES));
        if known {
            return response.finish();
        }
        if encoding != ContentEncoding::Identity {
            response.insert_header((CONTENT_ENCODING, encoding.as_str()));
        }
        response.content_type(self.content_type).body(body)
    }

    /// The form that the client likes best among those that are ready.
    fn negotiate(&self, request: &HttpRequest) -> (ContentEncoding, Bytes) {
        let Ok(asked) = AcceptEncoding::parse(request) else {
            return (ContentEncoding::Identity, self.plain.clone());
        };
        let forms = [
            (ContentEncoding::Brotli, self.brotli.get()),
            (ContentEncoding::Gzip, self.gzip.get()),
        ];
        let ready: Vec<_> = forms
            .into_iter()
            .filter_map(|(e, f)| Some((e, f?)))
            .collect();
        // Someone who lists nothing gets the plain form.
        let named: Vec<_> = ready.iter().map(|(e, _)| Encoding::Known(*e)).collect();
        let identity = Encoding::identity();
        let chosen = asked.negotiate(named.iter().chain([&identity]));
        ready
            .into_iter()
            .find(|(encoding, _)| chosen == Some(Encoding::Known(*encoding)))
            .map_or((ContentEncoding::Identity, self.plain.clone()), |(e, f)| {
                (e, f.clone())
            })
    }
}

fn read_into(files: &mut HashMap<String, File>, folder: &Path, under: &str) -> Result<(), Error> {
    let refused = |path: PathBuf| move |source| Error::Page { path, source };
    for entry in std::fs::read_dir(folder).map_err(refused(folder.to_owned()))? {
        let path = entry.map_err(refused(folder.to_owned()))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let key = format!("{under}/{name}");
        if path.is_dir() {
            read_into(files, &path, &key)?;
        } else {
            files.insert(key, File::read(&path, &name)?);
        }
    }
    Ok(())
}

/// Whether trunk has put the content's hash into the name: `app-1f0c4a5be2d97a33_bg.wasm`. It writes
/// 64 bits in hexadecimal without leading zeros.
fn is_hashed(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let stem = stem
        .strip_suffix("_bg")
        .or(stem.strip_suffix("_loader"))
        .unwrap_or(stem);
    let Some((_, hash)) = stem.rsplit_once('-') else {
        return false;
    };
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (12..=16).contains(&hash.len()) && hash.bytes().all(is_hex)
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "bmp" => "image/bmp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn is_compressible(content_type: &str) -> bool {
    let packed = [
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "font/woff2",
    ];
    !packed.contains(&content_type)
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    brotli::CompressorReader::new(plain, BUFFER_BYTES, BROTLI_QUALITY, BROTLI_WINDOW_BITS)
        .read_to_end(&mut packed)?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        for hashed in [
            "frontend-b01dface1f0c4a5b.js",
            "frontend-b01dface1f0c4a5b_bg.wasm",
            "page-1dface1f0c4a5b0.css",
            "icon-b01dface1f0c4a5b.svg",
            "frontend-b01dface1f0c4a5b_loader.js",
        ] {
            assert!(is_hashed(hashed), "{hashed}");
        }
        for bare in [
            "worker.js",
            "worker_bg.wasm",
            "worker_loader.js",
            "boot.js",
            "chest-view.png",
            "hand-scan-decade.png",
            "b01dface1f0c4a5b.js",
            "x-B01DFACE1F0C4A5B.js",
        ] {
            assert!(!is_hashed(bare), "{bare}");
        }
    }
}
