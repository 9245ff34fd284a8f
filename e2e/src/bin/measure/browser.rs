//! What the page needs, in a real browser.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::browser::{Browser, Page};
use e2e::owner::pattern;
use e2e::proxy::Recorder;
use e2e::services::Darkroom;
use fantoccini::Locator;
use serde_json::json;

use crate::{MODEL, NETWORK, median_ms, report};

/// Pictures that the browser encrypts.
const PICTURES: u32 = 9;
/// Evaluation keys that the browser makes.
const KEYS: u32 = 3;

pub async fn measure(darkroom: &Darkroom) -> Result<()> {
    let recorder = Recorder::start(darkroom.gateway.address()).await?;
    let browser = Browser::start().await?;
    let page = browser.open("measure", &recorder.url("http")).await?;
    let began = Instant::now();
    page.visit().await?;
    page.wait_for("#create-key").await?;
    report(
        "page opened in a fresh browser",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    report(
        "page's first load, compressed",
        settled_bytes(&recorder).await as f64,
        "bytes",
    );

    let began = Instant::now();
    page.click("#create-key").await?;
    page.wait_for("#fingerprint[data-key]").await?;
    report(
        "key made in the browser",
        began.elapsed().as_secs_f64() * 1e3,
        "ms",
    );
    encryption(&page).await?;
    page.close().await?;
    evaluation_key(&browser, &recorder.url("http")).await
}

/// The evaluation key, made by as many workers as the machine has cores, each time on a new device.
async fn evaluation_key(browser: &Browser, origin: &str) -> Result<()> {
    let (mut made, mut stored, mut makers) = (Vec::new(), Vec::new(), String::new());
    for device in 0..KEYS {
        let page = browser.open(&format!("key-{device}"), origin).await?;
        page.visit().await?;
        page.click("#create-key").await?;
        page.wait_for("#fingerprint[data-key]").await?;
        choose(&page, NETWORK).await?;
        page.click("#make-large-key").await?;
        let ready = page.wait_for("#large-key[data-state=ready]").await?;
        let shown = async |name: &str| -> Result<String> {
            let shown = ready.attr(&format!("data-{name}")).await?;
            shown.with_context(|| format!("the page does not tell {name}"))
        };
        made.push(ms(&shown("made-ms").await?)?);
        stored.push(ms(&shown("stored-ms").await?)?);
        makers = shown("makers").await?;
        page.close().await?;
    }
    let workers = match makers.as_str() {
        "2" => "two workers".to_owned(),
        other => format!("{other} workers"),
    };
    let name = format!("evaluation key made in the browser, {workers}");
    report(&name, median_ms(&mut made) / 1e3, "s");
    let name = format!("evaluation key made in the browser and stored, {workers}");
    report(&name, median_ms(&mut stored) / 1e3, "s");
    Ok(())
}

fn ms(text: &str) -> Result<Duration> {
    Ok(Duration::from_secs_f64(text.parse::<f64>()? / 1e3))
}

async fn choose(page: &Page, model: &str) -> Result<()> {
    let script = "document.getElementById(arguments[0]).click()";
    page.wait_for(&format!("[data-test=model][data-model={model}]"))
        .await?;
    let id = json!(format!("model-{model}"));
    page.client.execute(script, vec![id]).await?;
    Ok(())
}

/// What has arrived when nothing more arrives.
async fn settled_bytes(recorder: &Recorder) -> u64 {
    let mut last = recorder.received_bytes();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = recorder.received_bytes();
        if now == last {
            return now;
        }
        last = now;
    }
}

async fn encryption(page: &Page) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut files = Vec::new();
    for seed in 0..PICTURES {
        let file = folder.path().join(format!("{seed}.png"));
        let pixels = pattern(seed, 128, 128)?;
        let grey = image::GrayImage::from_raw(128, 128, pixels.as_bytes().to_vec());
        grey.context("a picture of another size")?.save(&file)?;
        files.push(file.display().to_string());
    }
    page.client
        .find(Locator::Css("#file-input"))
        .await?
        .send_keys(&files.join("\n"))
        .await?;
    choose(page, MODEL).await?;
    page.click("#analyse:not([disabled])").await?;
    let open = "return document.querySelectorAll('[data-test=result][data-state=open]').length";
    page.wait_until("the results", open, |count| count == json!(PICTURES))
        .await?;
    let script =
        "return [...document.querySelectorAll('[data-test=stages] li')].map(e => e.textContent)";
    let lines: Vec<String> =
        serde_json::from_value(page.client.execute(script, Vec::new()).await?)?;
    let shown = lines
        .iter()
        .filter_map(|line| line.strip_prefix("encrypt "));
    let mut times: Vec<Duration> = shown.filter_map(shown_time).collect();
    ensure!(!times.is_empty(), "the page shows no times: {lines:?}");
    report(
        "encryption of 128x128 in the browser's worker",
        median_ms(&mut times),
        "ms",
    );
    Ok(())
}

/// `19 ms`, `1.2 s` or `under 1 ms`, as the page writes it.
fn shown_time(text: &str) -> Option<Duration> {
    let text = text.strip_prefix("under ").unwrap_or(text);
    let (number, unit) = text.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    let seconds = if unit == "ms" { number / 1e3 } else { number };
    Some(Duration::from_secs_f64(seconds))
}
