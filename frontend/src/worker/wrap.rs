//! The key as the browser's database holds it: under AES-GCM, with a key that the browser never gives
//! out.

use darkroom_fhe::keys::ClientKey;
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesGcmParams, AesKeyGenParams, CryptoKey};
use zeroize::Zeroize;

use super::identity::{Held, hold};
use super::scope;

const VERSION: f64 = 1.0;
const CIPHER: &str = "AES-GCM";

/// The record: version, the wrapping key itself (which the browser never gives out), the nonce, the
/// wrapped master, and what is not secret.
pub(super) async fn wrap(held: &Held) -> Option<JsValue> {
    let subtle = scope::subtle()?;
    let usages = Array::of2(&"encrypt".into(), &"decrypt".into());
    let algorithm = AesKeyGenParams::new(CIPHER, 256);
    let wrapping = subtle
        .generate_key_with_object(&algorithm, false, &usages)
        .ok()?;
    let wrapping: CryptoKey = JsFuture::from(wrapping).await.ok()?.dyn_into().ok()?;
    let nonce: [u8; 12] = scope::randomness().ok()?.bytes();
    let nonce = Uint8Array::from(nonce.as_slice());
    let sealed = subtle.encrypt_with_object_and_u8_array(
        &AesGcmParams::new_with_u8_array(CIPHER, &nonce),
        &wrapping,
        held.key.danger_master(),
    );
    let sealed = JsFuture::from(sealed.ok()?).await.ok()?;
    let record = Object::new();
    let fields: [(&str, JsValue); 7] = [
        ("version", VERSION.into()),
        ("wrapping", wrapping.into()),
        ("nonce", nonce.into()),
        ("sealed", Uint8Array::new(&sealed).into()),
        (
            "created_ms",
            serde_wasm_bindgen::to_value(&held.info.created_ms).ok()?,
        ),
        ("backed_up", held.info.backed_up.into()),
        ("generation", held.generation().into()),
    ];
    for (name, value) in fields {
        Reflect::set(&record, &name.into(), &value).ok()?;
    }
    Some(record.into())
}

/// The key in a record, if this browser can still unwrap it.
pub(super) async fn unwrap(record: &JsValue) -> Option<Held> {
    let field = |name: &str| Reflect::get(record, &name.into()).ok();
    if field("version")?.as_f64()? > VERSION {
        return None;
    }
    let wrapping: CryptoKey = field("wrapping")?.dyn_into().ok()?;
    let nonce: Uint8Array = field("nonce")?.dyn_into().ok()?;
    let sealed: Uint8Array = field("sealed")?.dyn_into().ok()?;
    let opened = scope::subtle()?.decrypt_with_object_and_js_u8_array(
        &AesGcmParams::new_with_u8_array(CIPHER, &nonce),
        &wrapping,
        &sealed,
    );
    let opened = Uint8Array::new(&JsFuture::from(opened.ok()?).await.ok()?);
    let mut master = [0; 32];
    if opened.length() != 32 {
        return None;
    }
    opened.copy_to(&mut master);
    opened.fill(0, 0, opened.length());
    let key = ClientKey::from_master(master);
    master.zeroize();
    let created_ms = serde_wasm_bindgen::from_value(field("created_ms")?).ok()?;
    let backed_up = field("backed_up")?.is_truthy();
    // Absent from what an older release wrote.
    let generation = serde_wasm_bindgen::from_value(field("generation")?).unwrap_or(0);
    Some(hold(key, created_ms, backed_up, generation))
}
