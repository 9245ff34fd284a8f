//! What a person does on the page, step by step.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::browser::{Browser, Page};
use e2e::proxy::Recorder;
use e2e::services::{Darkroom, Plan};
use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
use serde_json::{Value, json};

/// Everything that a test of the page needs.
pub struct Room {
    pub darkroom: Darkroom,
    pub recorder: Recorder,
    pub browser: Browser,
}

impl Room {
    pub async fn open() -> Result<Self> {
        Self::open_as(Plan::default()).await
    }

    pub async fn open_as(plan: Plan<'_>) -> Result<Self> {
        let darkroom = Darkroom::start_as(plan).await?;
        let recorder = Recorder::start(darkroom.gateway.address()).await?;
        let browser = Browser::start().await?;
        Ok(Self {
            darkroom,
            recorder,
            browser,
        })
    }

    /// A browser on a device of this name, with the page opened.
    pub async fn visit(&self, device: &str) -> Result<Page> {
        let origin = self.recorder.url(self.darkroom.protection.scheme());
        let page = self.browser.open(device, &origin).await?;
        page.visit().await?;
        Ok(page)
    }
}

/// A result as the page shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub name: String,
    pub label: String,
    pub scores: Vec<f64>,
    pub probabilities: Vec<f64>,
}

/// The key that is here, by its public name.
pub async fn key_here(page: &Page) -> Result<String> {
    let mark = page.wait_for("#fingerprint[data-key]").await?;
    mark.attr("data-key")
        .await?
        .context("a fingerprint without a key")
}

pub async fn make_key(page: &Page) -> Result<String> {
    page.click("#create-key").await?;
    key_here(page).await
}

pub async fn add_pictures(page: &Page, files: &[PathBuf]) -> Result<()> {
    let before = page.texts("[data-test=tile]").await?.len();
    let paths: Vec<String> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let input = page
        .client
        .find(fantoccini::Locator::Css("#file-input"))
        .await?;
    input.send_keys(&paths.join("\n")).await?;
    let ready = "return document.querySelectorAll('[data-test=tile][data-state=ready]').length";
    let wanted = before + files.len();
    page.wait_until(&format!("{wanted} pictures"), ready, |count| {
        count == json!(wanted)
    })
    .await?;
    Ok(())
}

pub async fn choose_model(page: &Page, id: &str) -> Result<()> {
    page.wait_for(&format!("[data-test=model][data-model={id}]"))
        .await?;
    page.client
        .execute(
            "document.getElementById(arguments[0]).click()",
            vec![json!(format!("model-{id}"))],
        )
        .await?;
    let checked = format!("return document.getElementById('model-{id}').checked");
    page.wait_until("the model to be chosen", &checked, |value| {
        value == json!(true)
    })
    .await?;
    Ok(())
}

/// Draws on the pad with the mouse: strokes of points from 0 to 1.
pub async fn draw(page: &Page, strokes: &[Vec<(f64, f64)>]) -> Result<()> {
    let pad = page.wait_for("#pad").await?;
    page.client
        .execute(
            "document.querySelector('#pad').scrollIntoView({ block: 'center' })",
            vec![],
        )
        .await?;
    let (_, _, width, height) = pad.rectangle().await?;
    let to = |&(x, y): &(f64, f64)| PointerAction::MoveToElement {
        element: pad.clone(),
        duration: Some(Duration::from_millis(10)),
        x: ((x - 0.5) * width).round(),
        y: ((y - 0.5) * height).round(),
    };
    let mut mouse = MouseActions::new("mouse".to_owned());
    for stroke in strokes {
        let (first, rest) = stroke.split_first().context("a stroke without points")?;
        mouse = mouse.then(to(first)).then(PointerAction::Down {
            button: MOUSE_BUTTON_LEFT,
        });
        for point in rest {
            mouse = mouse.then(to(point));
        }
        mouse = mouse.then(PointerAction::Up {
            button: MOUSE_BUTTON_LEFT,
        });
    }
    page.client.perform_actions(mouse).await?;
    Ok(())
}

/// Runs what is set up and waits until as many results of that model are open.
pub async fn analyse(page: &Page, model: &str, results: usize) -> Result<Vec<Shown>> {
    page.wait_for("#analyse:not([disabled])").await?;
    page.click("#analyse").await?;
    let states = format!(
        "return [...document.querySelectorAll('[data-test=result][data-model={model}]')].map(e => e.dataset.state)"
    );
    let over = |value: &Value| {
        let states = value.as_array().into_iter().flatten();
        states
            .filter(|state| matches!(state.as_str(), Some("open" | "failed")))
            .count()
    };
    page.wait_until("the results", &states, |value| over(&value) >= results)
        .await?;
    shown(page).await
}

/// Waits until just so many results are open on the page.
pub async fn opened(page: &Page, results: usize) -> Result<()> {
    let open = "return document.querySelectorAll('[data-test=result][data-state=open]').length";
    page.wait_until("the results", open, |count| count == json!(results))
        .await
        .map(drop)
}

/// The results that are open on the page.
pub async fn shown(page: &Page) -> Result<Vec<Shown>> {
    let script = "return [...document.querySelectorAll('[data-test=result][data-state=open]')]\
                  .map(e => ({ ...e.dataset }))";
    let found = page.client.execute(script, Vec::new()).await?;
    let found = found.as_array().context("no list of results")?;
    found
        .iter()
        .map(|data| read_shown(data).with_context(|| format!("a result: {data}")))
        .collect()
}

fn read_shown(data: &Value) -> Option<Shown> {
    let text = |key: &str| data[key].as_str().map(str::to_owned);
    Some(Shown {
        name: text("name")?,
        label: text("label")?,
        scores: serde_json::from_str(&text("scores")?).ok()?,
        probabilities: serde_json::from_str(&text("probabilities")?).ok()?,
    })
}

/// The 24 words, read off the page; afterwards the dialog is closed.
pub async fn back_up(page: &Page) -> Result<Vec<String>> {
    page.click("#backup").await?;
    page.click("#backup-words").await?;
    page.wait_for("#words li").await?;
    let script = "return [...document.querySelectorAll('#words li')].map(e => e.textContent.match(/[a-z]+/)[0])";
    let words = page.client.execute(script, Vec::new()).await?;
    let words: Vec<String> = serde_json::from_value(words)?;
    ensure!(words.len() == 24, "{} words", words.len());
    page.click("#words-written").await?;
    page.wait_gone("#backup-dialog").await?;
    Ok(words)
}

pub async fn forget(page: &Page) -> Result<()> {
    page.click("#forget").await?;
    page.click("#forget-yes").await?;
    page.wait_for("#create-key").await?;
    Ok(())
}

pub async fn restore(page: &Page, words: &[String]) -> Result<String> {
    page.click("#restore").await?;
    let input = page.wait_for("#restore-words-input").await?;
    input.send_keys(&words.join(" ")).await?;
    page.wait_for("#restore-words:not([disabled])").await?;
    page.click("#restore-words").await?;
    key_here(page).await
}

/// Waits for a history of so many finished entries.
pub async fn history(page: &Page, entries: usize) -> Result<()> {
    let script = "return [...document.querySelectorAll('[data-test=history-entry]')].map(e => e.dataset.state)";
    let all_done = |states: Value| {
        let states = states.as_array().cloned().unwrap_or_default();
        states.len() == entries && states.iter().all(|s| s == "done" || s == "unread")
    };
    page.wait_until(&format!("a history of {entries}"), script, all_done)
        .await?;
    Ok(())
}

/// Opens the entries of the history one after the other and returns what each shows.
pub async fn open_history(page: &Page, entries: usize) -> Result<Vec<Shown>> {
    let mut all = Vec::new();
    for index in 0..entries {
        let open = format!(
            "const entry = document.querySelectorAll('[data-test=history-entry]')[{index}]; \
             entry.querySelector('[data-test=open]').click(); return entry.dataset.entry"
        );
        let entry = page.client.execute(&open, Vec::new()).await?;
        let entry = entry.as_str().context("an entry without an id")?;
        let result = format!("[data-test=result][data-entry='{entry}'][data-state=open]");
        page.wait_for(&result).await?;
        // An old result takes the place of what was shown before.
        all.extend(shown(page).await?);
    }
    Ok(all)
}

/// Brings a part of the page into view.
pub async fn show(page: &Page, css: &str) -> Result<()> {
    let script = "document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })";
    page.client.execute(script, vec![json!(css)]).await?;
    Ok(())
}

/// A picture of a part of the page as wide as a phone; nothing may stick out at the side.
pub async fn phone_view(page: &Page, name: &str, css: &str) -> Result<()> {
    let (width, height) = page.client.get_window_size().await?;
    page.client.set_window_size(400, 850).await?;
    let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    page.wait_until("the page to fit a phone", wide, |over| over == json!(0))
        .await?;
    show(page, css).await?;
    page.photograph(name).await?;
    page.client
        .set_window_size(u32::try_from(width)?, u32::try_from(height)?)
        .await?;
    Ok(())
}
