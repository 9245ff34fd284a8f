//! A real Chromium, driven over WebDriver.

use std::future::Future;
use std::os::unix::process::CommandExt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use futures_util::FutureExt;
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::places::root;
use crate::process::{PATIENCE, Process};

/// A driver and the folder in which its browsers keep their profile.
#[derive(Debug)]
pub struct Browser {
    driver: Process,
    url: String,
    folder: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that failed has not closed its windows: they are in the driver's group.
        let group = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// A window, and the origin whose page it shows.
#[derive(Debug, Clone)]
pub struct Page {
    /// The window.
    pub client: Client,
    /// The page's origin, such as `http://localhost:7000`.
    pub origin: String,
}

impl Browser {
    /// Starts the driver.
    ///
    /// # Errors
    /// ChromeDriver or Chromium is missing.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let driver = named("CHROMEDRIVER", "chromedriver");
        let mut driver = Process::start(
            Command::new(driver)
                .args(["--port=0", "--log-level=WARNING"])
                .process_group(0),
            &folder.path().join("chromedriver.log"),
        )
        .context("the browser tests need chromedriver: cargo xtask tools")?;
        let said = driver.said("started successfully on port ").await?;
        let port: u16 = said
            .trim_end_matches('.')
            .parse()
            .with_context(|| format!("no port: {said:?}"))?;
        Ok(Self {
            driver,
            url: format!("http://127.0.0.1:{port}"),
            folder,
        })
    }

    /// Opens a window of a browser with a profile of this name; the same name again finds what
    /// pages kept there, another name is another device.
    ///
    /// # Errors
    /// Chromium does not start.
    pub async fn open(&self, profile: &str, origin: &str) -> Result<Page> {
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(self.capabilities(profile))
            .connect(&self.url)
            .await
            .with_context(|| format!("no browser: {}", self.driver.log()))?;
        Ok(Page {
            client,
            origin: origin.to_owned(),
        })
    }

    fn capabilities(&self, profile: &str) -> fantoccini::wd::Capabilities {
        let folder = self.folder.path().join(profile);
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--window-size=1280,1000".to_owned(),
            format!("--user-data-dir={}", folder.display()),
        ];
        let quiet = [
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            // A test must not wait for, or depend on, anything but this machine.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        ];
        arguments.extend(quiet.map(str::to_owned));
        if rustix::process::geteuid().is_root() {
            // Chromium's sandbox does not start as root.
            arguments.push("--no-sandbox".to_owned());
        }
        let browser = named("CHROMIUM", "chromium");
        let mut options = json!({ "args": arguments });
        if browser.is_absolute() {
            options["binary"] = json!(browser);
        }
        let mut capabilities = fantoccini::wd::Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), options);
        // Certificates for a test have a root of their own.
        capabilities.insert("acceptInsecureCerts".to_owned(), json!(true));
        let logs = json!({ "performance": "ALL" });
        capabilities.insert("goog:loggingPrefs".to_owned(), logs);
        capabilities
    }
}

impl Page {
    /// Opens the page, or loads it again.
    ///
    /// # Errors
    /// The driver says so.
    pub async fn visit(&self) -> Result<()> {
        Ok(self.client.goto(&self.origin).await?)
    }

    /// Waits for an element that is shown.
    ///
    /// # Errors
    /// It does not come.
    pub async fn wait_for(&self, css: &str) -> Result<Element> {
        let began = Instant::now();
        loop {
            for element in self.client.find_all(Locator::Css(css)).await? {
                // It may have gone since it was found.
                if element.is_displayed().await.unwrap_or(false) {
                    return Ok(element);
                }
            }
            ensure!(began.elapsed() < PATIENCE, "{css} does not come");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until no element of the kind is shown.
    ///
    /// # Errors
    /// It stays.
    pub async fn wait_gone(&self, css: &str) -> Result<()> {
        let shown = format!(
            "return [...document.querySelectorAll({})].some(e => e.checkVisibility())",
            json!(css)
        );
        self.wait_until(&format!("{css} to go"), &shown, |value| {
            value == json!(false)
        })
        .await?;
        Ok(())
    }

    /// Waits until a script returns what is wanted, and returns that.
    ///
    /// # Errors
    /// It does not.
    pub async fn wait_until(
        &self,
        what: &str,
        script: &str,
        wanted: impl Fn(Value) -> bool,
    ) -> Result<Value> {
        let began = Instant::now();
        loop {
            let value = self.client.execute(script, Vec::new()).await?;
            if wanted(value.clone()) {
                return Ok(value);
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "waited for {what}; at last: {value}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for an element and clicks on it.
    ///
    /// # Errors
    /// It does not come, or something lies over it.
    pub async fn click(&self, css: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let clicked = self.wait_for(css).await?.click().await;
            match clicked {
                Ok(()) => return Ok(()),
                // Drawn anew, or still moving: try again.
                Err(_) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(error) => return Err(error).with_context(|| format!("a click on {css}")),
            }
        }
    }

    /// The texts of all elements of a kind, as a person sees them.
    ///
    /// # Errors
    /// The driver says so.
    pub async fn texts(&self, css: &str) -> Result<Vec<String>> {
        let script = format!(
            "return [...document.querySelectorAll({})].map(e => e.innerText.trim())",
            json!(css)
        );
        let texts = self.client.execute(&script, Vec::new()).await?;
        Ok(serde_json::from_value(texts)?)
    }

    /// Runs an asynchronous function body in the page; `args` are its arguments.
    ///
    /// # Errors
    /// It throws, or the driver says so.
    pub async fn run(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async (...args) => {{ {body} }})(...arguments) \
             .then(value => done({{ value: value ?? null }}), error => done({{ error: String(error) }}));"
        );
        let mut outcome = self.client.execute_async(&script, args).await?;
        match outcome["error"].as_str() {
            Some(error) => bail!("in the page: {error}"),
            None => Ok(outcome["value"].take()),
        }
    }

    /// What the browser itself says of the security of every answer that it got since this was last
    /// asked, by URL.
    ///
    /// # Errors
    /// The driver says so.
    pub async fn security(&self) -> Result<Vec<(String, Value)>> {
        let entries = self.client.issue_cmd(PerformanceLog).await?;
        let mut all = Vec::new();
        for entry in entries.as_array().context("no list of entries")? {
            let text = entry["message"].as_str().context("an empty entry")?;
            let mut event: Value = serde_json::from_str(text)?;
            let mut event = event["message"].take();
            if event["method"] == json!("Network.responseReceived") {
                let mut answer = event["params"]["response"].take();
                let url = answer["url"].as_str().unwrap_or_default().to_owned();
                all.push((url, answer["securityDetails"].take()));
            }
        }
        Ok(all)
    }

    /// Saves a picture of the window in `target/e2e/`.
    ///
    /// # Errors
    /// The driver or the disk says so.
    pub async fn photograph(&self, name: &str) -> Result<PathBuf> {
        let folder = root().join("target/e2e");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, self.client.screenshot().await?)?;
        Ok(file)
    }

    /// Runs a test with this page; if it fails, there is a picture of what it looked like.
    ///
    /// # Errors
    /// What the test says, a panic included.
    pub async fn watched<F>(&self, name: &str, test: F) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        let outcome = match AssertUnwindSafe(test).catch_unwind().await {
            Ok(outcome) => outcome,
            // The hook has printed what it said.
            Err(_) => Err(anyhow!("it panicked")),
        };
        if let Err(error) = &outcome {
            let text = self.texts("body").await.unwrap_or_default().join("\n");
            eprintln!("{name}: {error:#}\nthe page says:\n{text}");
            match self.photograph(name).await {
                Ok(file) => eprintln!("a picture of it: {}", file.display()),
                Err(error) => eprintln!("no picture of it: {error:#}"),
            }
        }
        outcome
    }

    /// Closes the browser; its profile stays.
    ///
    /// # Errors
    /// The driver says so.
    pub async fn close(self) -> Result<()> {
        Ok(self.client.close().await?)
    }
}

/// Takes what ChromeDriver has collected of Chromium's network events.
#[derive(Debug)]
struct PerformanceLog;

impl WebDriverCompatibleCommand for PerformanceLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "type": "performance" });
        (Method::POST, Some(body.to_string()))
    }
}

fn named(variable: &str, program: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| program.into(), PathBuf::from)
}
