//! The secret key never leaves: every byte that the browser sent is searched for it.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::params::{IMAGE, NETWORK};
use e2e::browser::Page;
use e2e::secrets::Secrets;
use serde_json::json;
use shake::Shake256;
use shake::digest::{ExtendableOutput, Update, XofReader};

use crate::steps::Room;

/// The master secret that 24 words stand for.
pub fn master_of(words: &[String]) -> Result<[u8; 32]> {
    let phrase = bip39::Mnemonic::parse(words.join(" "))?;
    phrase
        .to_entropy()
        .try_into()
        .ok()
        .context("24 words are 32 bytes")
}

/// Derived as `darkroom_fhe::keys::ClientKey` documents it, in code of our own.
fn derived(master: &[u8; 32], label: &str, bytes: usize) -> Vec<u8> {
    let mut hash = Shake256::default();
    hash.update(b"darkroom/derive/1");
    hash.update(&[u8::try_from(label.len()).unwrap()]);
    hash.update(label.as_bytes());
    hash.update(master);
    let mut out = vec![0; bytes];
    hash.finalize_xof().read(&mut out);
    out
}

fn secrets_of(master: &[u8; 32], words: &[String]) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_bytes("master", master);
    secrets.add_bytes("sealing key", &derived(master, "seal", 32));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    secrets.add_words("words", &words);
    let bits = |label: String, count: usize| -> Vec<bool> {
        let packed = derived(master, &label, count.div_ceil(8));
        let bit = |i: usize| packed[i / 8] >> (i % 8) & 1 == 1;
        (0..count).map(bit).collect()
    };
    for set in [&IMAGE, &NETWORK] {
        let key = bits(format!("secret-key/{}", set.id), set.key_bits());
        secrets.add_bits(&format!("secret key {}", set.id), &key);
        if let Some(bootstrap) = set.bootstrap {
            let key = bits(format!("small-key/{}", set.id), bootstrap.small_dimension);
            secrets.add_bits(&format!("small key {}", set.id), &key);
        }
    }
    secrets
}

/// Searches all that was sent; then has the browser send the secrets, and finds every one of them.
pub async fn nothing_secret_was_sent(
    room: &Room,
    page: &Page,
    master: &[u8; 32],
    words: &[String],
) -> Result<()> {
    // The derivation here is the one that the page used: public parts of it did travel.
    let key = ClientKey::from_master(*master);
    ensure!(
        derived(master, "vault-id", 16) == key.vault_id(),
        "derived in another way"
    );
    let sent = room.recorder.sent();
    assert_recorded(&sent, &hex::encode(key.vault_id()))?;
    // What must travel travels, so the record is whole: tokens in heads, ciphertexts in bodies.
    assert_recorded(&sent, &hex::encode(key.vault_token(0)))?;
    assert_recorded(&sent, "DARKROOM")?;
    // A web socket would be masked, and the search blind to it.
    let text: Vec<String> = sent
        .iter()
        .map(|bytes| String::from_utf8_lossy(bytes).to_lowercase())
        .collect();
    ensure!(
        !text.iter().any(|text| text.contains("upgrade: websocket")),
        "a web socket was opened"
    );

    let secrets = secrets_of(master, words);
    let search = secrets.search()?;
    let found = search.found_in(&sent);
    ensure!(found.is_empty(), "the browser sent {found:?}");

    plant(page, &secrets).await?;
    let found = search.found_in(&room.recorder.sent());
    for form in secrets.forms() {
        ensure!(
            found.contains(&form.name),
            "planted, but not found: {}",
            form.name
        );
    }
    Ok(())
}

fn assert_recorded(sent: &[Vec<u8>], text: &str) -> Result<()> {
    let there = sent.iter().any(|bytes| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    });
    ensure!(there, "the record is not whole: no {text} in it");
    Ok(())
}

/// The page sends every form of every secret.
async fn plant(page: &Page, secrets: &Secrets) -> Result<()> {
    for form in secrets.forms() {
        let send = "const bytes = Uint8Array.from(atob(args[0]), c => c.charCodeAt(0)); \
                    await (await fetch('/api/storage/planted', { method: 'POST', body: bytes })).arrayBuffer();";
        page.run(send, vec![json!(STANDARD.encode(&form.bytes))])
            .await
            .with_context(|| form.name.clone())?;
    }
    Ok(())
}
