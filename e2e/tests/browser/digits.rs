//! A digit drawn on the pad, read by a network that never sees it.

use anyhow::{Context, Result, ensure};
use darkroom_fhe::eval::clear;
use darkroom_fhe::picture::Pixels;
use e2e::browser::Page;
use serde_json::{Value, json};

use crate::pictures;
use crate::secrecy;
use crate::steps::{self, Room, Shown};

/// The smallest network of the zoo that reads digits.
pub const MODEL: &str = "digits-fast";

#[tokio::test(flavor = "multi_thread")]
async fn a_digit_drawn_on_the_pad_is_read_as_the_clear_twin_reads_it() {
    let room = Room::open().await.unwrap();
    let page = room.visit("laptop").await.unwrap();
    let watched = page.clone();
    watched.watched("digits", drawn(room, page)).await.unwrap();
    watched.close().await.unwrap();
}

async fn drawn(room: Room, page: Page) -> Result<()> {
    steps::make_key(&page).await?;
    steps::choose_model(&page, MODEL).await?;
    page.wait_for("#large-key[data-state=absent]").await?;
    page.photograph("digits-1-before").await?;
    steps::draw(&page, &seven()).await?;
    let by_mouse = preview(&page, 0).await?;
    // What it costs is said before anything is sent.
    for place in ["#large-key-cost", "#outlook"] {
        let said = page.texts(place).await?.join(" ");
        ensure!(
            said.contains("MB") && said.contains("second"),
            "{place} does not say what will be sent: {said:?}"
        );
    }
    page.click("#pad-next").await?;
    type_a_one(&page).await?;
    let by_keys = preview(&page, 1).await?;
    page.photograph("digits-2-drawn").await?;
    for pixels in [&by_mouse, &by_keys] {
        looks_like_training(pixels);
    }

    let shown = steps::analyse(&page, MODEL, 2).await?;
    page.photograph("digits-3-result").await?;
    let model = pictures::model(MODEL);
    for (pixels, shown) in [by_mouse, by_keys].into_iter().zip(in_order(shown)) {
        let expected = clear::evaluate(&model, &Pixels::new(28, 28, pixels)?)?;
        pictures::assert_close(&shown, &expected, &model);
    }
    the_stages_tell_of_the_large_key(&page).await?;

    // The pad took its ink away with it.
    ensure!(
        page.client
            .execute(
                "return document.querySelector('#pad-undo').disabled",
                vec![]
            )
            .await?
            == json!(true),
        "the pad still has what was analysed"
    );
    let words = steps::back_up(&page).await?;
    let master = secrecy::master_of(&words)?;
    secrecy::nothing_secret_was_sent(&room, &page, &master, &words).await
}

/// One stroke: across the top, then down.
fn seven() -> Vec<Vec<(f64, f64)>> {
    let across = (0..=8).map(|i| (0.25 + 0.06 * f64::from(i), 0.2));
    let down = (1..=8).map(|i| (0.73 - 0.035 * f64::from(i), 0.2 + 0.075 * f64::from(i)));
    vec![across.chain(down).collect()]
}

/// Arrows move the pen, the space bar puts it down and lifts it.
async fn type_a_one(page: &Page) -> Result<()> {
    let press = |key: &str, times: usize| {
        format!(
            "for (let i = 0; i < {times}; i++) document.querySelector('#pad').dispatchEvent(\
             new KeyboardEvent('keydown', {{ key: '{key}', bubbles: true, cancelable: true }}));"
        )
    };
    let all = [
        press("ArrowUp", 9),
        press(" ", 1),
        press("ArrowDown", 18),
        press(" ", 1),
    ];
    page.client.execute(&all.concat(), vec![]).await?;
    page.wait_until(
        "the pen to be lifted",
        "return document.querySelector('#announce').innerText",
        |said| said.as_str().is_some_and(|said| said.starts_with("Pen up")),
    )
    .await?;
    Ok(())
}

/// Exactly what will be encrypted of a picture on the desk.
async fn preview(page: &Page, index: usize) -> Result<Vec<u8>> {
    let ready =
        "return [...document.querySelectorAll('[data-test=tile]')].map(e => e.dataset.state)";
    page.wait_until("the drawing on the desk", ready, |states| {
        states[index] == json!("ready")
    })
    .await?;
    let script = format!(
        "const canvas = document.querySelectorAll('[data-test=encrypted-preview]')[{index}]; \
         const all = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data; \
         return [...all].filter((_, i) => i % 4 == 0);"
    );
    let pixels = page.client.execute(&script, vec![]).await?;
    let pixels: Vec<u8> = serde_json::from_value(pixels)?;
    ensure!(pixels.len() == 28 * 28, "{} pixels", pixels.len());
    Ok(pixels)
}

/// White on black, the centre of mass in the middle, upright, about 20 pixels long.
fn looks_like_training(pixels: &[u8]) {
    let mass: f64 = pixels.iter().map(|&grey| f64::from(grey)).sum();
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let terms = pixels.iter().enumerate().map(|(i, &grey)| {
            let (row, column) = (i / 28, i % 28);
            of(row as f64, column as f64) * f64::from(grey)
        });
        terms.sum::<f64>() / mass
    };
    let (row, column) = (mean(&|row, _| row), mean(&|_, column| column));
    for centre in [row, column] {
        assert!((centre - 13.5).abs() <= 0.2, "{centre}");
    }
    let down = mean(&|y, _| (y - row).powi(2));
    let across = mean(&|_, x| (x - column).powi(2));
    let slant = mean(&|y, x| (y - row) * (x - column)) / (down * across).sqrt();
    assert!(slant.abs() < 0.1, "{slant}");
    let inked = (0..28 * 28).filter(|i| pixels[*i] > 127).map(|i| i / 28);
    let tall = inked.clone().max().unwrap() - inked.min().unwrap() + 1;
    assert!((16..=24).contains(&tall), "{tall}");
}

fn in_order(mut shown: Vec<Shown>) -> Vec<Shown> {
    shown.sort_by(|a, b| a.name.cmp(&b.name));
    shown
}

async fn the_stages_tell_of_the_large_key(page: &Page) -> Result<()> {
    let stages =
        "return [...document.querySelectorAll('[data-test=stages]')].map(e => ({ ...e.dataset }))";
    let stages = page.client.execute(stages, vec![]).await?;
    let first = stages.as_array().and_then(|all| all.first());
    let ms = first.and_then(|stage: &Value| stage["largeKeyMs"].as_str()?.parse::<f64>().ok());
    ensure!(
        ms.context("no time for the large key")? > 0.0,
        "a large key in no time: {stages}"
    );
    let ready = page.wait_for("#large-key[data-state=ready]").await?;
    let made = ready.attr("data-made-ms").await?;
    let made: f64 = made.context("no time for making it")?.parse()?;
    eprintln!(
        "large key made in {made} ms by {} workers",
        ready.attr("data-makers").await?.unwrap_or_default()
    );
    Ok(())
}
