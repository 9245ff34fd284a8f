//! The three services, as the programs that are shipped, each on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use darkroom_api::routes::{GATEWAY_COMPUTE, GATEWAY_STORAGE};
use tempfile::TempDir;

use crate::places::{self, page, program, zoo};
use crate::process::Process;
use crate::proxy::Recorder;
use crate::transit::{Protection, Transit};

/// Settings of one service, as its environment takes them: `("QUEUE__LEASE_MS", "1000")`.
pub type Settings<'a> = &'a [(&'a str, &'a str)];

/// What differs from the defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan<'a> {
    /// For all three.
    pub all: Settings<'a>,
    /// For storage.
    pub storage: Settings<'a>,
    /// For compute.
    pub compute: Settings<'a>,
    /// A folder of models instead of the zoo.
    pub models: Option<&'a Path>,
    /// What protects the ways between them.
    pub transit: Transit<'a>,
    /// Whether what goes between the others and storage is recorded, and may be broken.
    pub recorded: bool,
}

impl Plan<'_> {
    /// A wire to this service, if it is to be recorded.
    async fn wire_to(&self, service: &Service) -> Result<Option<Recorder>> {
        Ok(match self.recorded {
            true => Some(Recorder::start(service.address()).await?),
            false => None,
        })
    }
}

/// The running services and where they keep what they keep.
#[derive(Debug)]
pub struct Darkroom {
    /// Storage.
    pub storage: Service,
    /// Compute.
    pub compute: Service,
    /// The gateway, which serves the page.
    pub gateway: Service,
    /// What protects the ways between them.
    pub protection: Protection,
    /// The wire between the gateway and storage, if it is recorded.
    pub wire: Option<Recorder>,
    /// The wire between compute and storage, likewise.
    pub compute_wire: Option<Recorder>,
    folder: TempDir,
}

/// One service, running or not.
#[derive(Debug)]
pub struct Service {
    program: PathBuf,
    scheme: &'static str,
    settings: Vec<(String, String)>,
    /// The one core that it runs on.
    core: Option<usize>,
    log: PathBuf,
    address: SocketAddr,
    process: Option<Process>,
}

impl Darkroom {
    /// Starts all three as they are by default.
    ///
    /// # Errors
    /// A program is missing or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_as(Plan::default()).await
    }

    /// Starts all three by a plan.
    ///
    /// # Errors
    /// A program is missing or does not start.
    pub async fn start_as(plan: Plan<'_>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let protection = Protection::start(plan.transit, &folder).await?;
        let storage = Service::new("backend-storage", &folder, plan.storage)
            .with_these(plan.all)
            .with("DATA_DIR", &at("storage"))
            .with_all(protection.server("storage", true))
            .with_all(protection.link("GATEWAY_LINK", "storage-gateway", "gateway"))
            .with_all(protection.link("COMPUTE_LINK", "storage-compute", "compute"))
            .by(protection.scheme())
            .started()
            .await?;

        let compute_wire = plan.wire_to(&storage).await?;
        let models = plan.models.map_or_else(zoo, Path::to_owned);
        let compute = Service::new("backend-compute", &folder, plan.all)
            .with("DATABASE", &at("jobs.sqlite"))
            .with_these(plan.compute)
            .with("STORAGE_URL", &storage.url_over(compute_wire.as_ref()))
            .with("MODELS", &serde_json::to_string(&[models])?)
            .with_all(protection.server("compute", true))
            .with_all(protection.client("compute"))
            .with_all(protection.link("STORAGE_LINK", "compute", "storage-compute"))
            .by(protection.scheme())
            .started()
            .await?;

        let page = page();
        ensure!(
            page.join("index.html").is_file(),
            "there is no built page in {}: cargo xtask page",
            page.display()
        );
        let wire = plan.wire_to(&storage).await?;
        let gateway = Service::new("gateway", &folder, plan.all)
            .with("PAGE_DIR", &page.display().to_string())
            .with("STORAGE_URL", &storage.url_over(wire.as_ref()))
            .with("COMPUTE_URL", &compute.url())
            .with_all(protection.server("gateway", false))
            .with_all(protection.client("gateway"))
            .with_all(protection.link("STORAGE_LINK", "gateway", "storage-gateway"))
            .by(protection.scheme())
            .started()
            .await?;
        Ok(Self {
            storage,
            compute,
            gateway,
            protection,
            wire,
            compute_wire,
            folder,
        })
    }

    /// Storage as clients see it, behind the gateway.
    pub fn storage_url(&self) -> String {
        format!("{}{GATEWAY_STORAGE}", self.gateway.url())
    }

    /// Compute as clients see it, behind the gateway.
    pub fn compute_url(&self) -> String {
        format!("{}{GATEWAY_COMPUTE}", self.gateway.url())
    }

    /// An invitation, as the operator makes one.
    ///
    /// # Errors
    /// The program is missing or fails.
    pub fn invite(&self) -> Result<String> {
        let mut invite = Command::new(program("backend-storage"));
        let folder = self.folder().join("storage");
        let made = invite
            .arg("invite")
            .env("DARKROOM_DATA_DIR", folder)
            .output()?;
        ensure!(made.status.success(), "{made:?}");
        Ok(String::from_utf8(made.stdout)?.trim().to_owned())
    }

    /// Where everything is kept.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Service {
    fn new(program: &str, folder: &TempDir, settings: Settings) -> Self {
        Self::named(program, program, folder, settings)
    }

    /// A service by itself that will listen at this address. It is not started.
    pub fn alone(program: &str, name: &str, folder: &TempDir, address: SocketAddr) -> Self {
        Self {
            address,
            ..Self::named(program, name, folder, &[])
        }
    }

    pub(crate) fn named(program: &str, name: &str, folder: &TempDir, settings: Settings) -> Self {
        let settings = settings
            .iter()
            .map(|(key, value)| (format!("DARKROOM_{key}"), (*value).to_owned()));
        Self {
            program: places::program(program),
            scheme: "http",
            settings: settings.collect(),
            core: None,
            log: folder.path().join(format!("{name}.log")),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            process: None,
        }
    }

    /// The same with one more setting, as in [`Settings`].
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.settings
            .push((format!("DARKROOM_{key}"), value.to_owned()));
        self
    }

    /// The same on one core alone.
    #[must_use]
    pub fn on_core(mut self, core: usize) -> Self {
        self.core = Some(core);
        self
    }

    fn with_these(self, settings: Settings) -> Self {
        let with = |service: Self, (key, value): &(&str, &str)| service.with(key, value);
        settings.iter().fold(self, with)
    }

    pub(crate) fn with_all(self, settings: Vec<(String, String)>) -> Self {
        let with = |service: Self, (key, value): (String, String)| service.with(&key, &value);
        settings.into_iter().fold(self, with)
    }

    fn by(mut self, scheme: &'static str) -> Self {
        self.scheme = scheme;
        self
    }

    pub(crate) async fn started(mut self) -> Result<Self> {
        self.start().await?;
        Ok(self)
    }

    /// What follows such a mark on a line that it prints.
    ///
    /// # Errors
    /// It does not run, or does not print it.
    pub async fn said(&mut self, mark: &str) -> Result<String> {
        let process = self.process.as_mut().context("it does not run")?;
        process.said(mark).await
    }

    /// Starts it, again where it was if it ran before.
    ///
    /// # Errors
    /// The program is missing or does not start.
    pub async fn start(&mut self) -> Result<()> {
        let mut command = match self.core {
            None => Command::new(&self.program),
            Some(core) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["--cpu-list", &core.to_string()]);
                pinned.arg(&self.program);
                pinned
            }
        };
        command
            .env("NO_COLOR", "1")
            .env("DARKROOM_LISTEN", self.address.to_string());
        command.envs(self.settings.iter().map(|(key, value)| (key, value)));
        let mut process = Process::start(&mut command, &self.log)
            .with_context(|| format!("{} (cargo xtask test builds it)", self.program.display()))?;
        let said = process.said("listening on ").await?;
        self.address = said
            .parse()
            .with_context(|| format!("no address: {said:?}"))?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .map_or(Ok(()), |mut process| process.kill())
    }

    /// Holds it still as it is, as a machine does that is suspended, or lets it go on.
    ///
    /// # Errors
    /// It does not run, or the system refuses.
    pub fn hold_still(&self, still: bool) -> Result<()> {
        let process = self.process.as_ref().context("it does not run")?;
        process.hold_still(still)
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// It does not stop, or ends with an error.
    pub async fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop().await,
            None => Ok(()),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens, as a URL without a slash at the end.
    pub fn url(&self) -> String {
        match self.scheme {
            // By the name that its certificate holds.
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }

    /// The same over a wire, if there is one.
    fn url_over(&self, wire: Option<&Recorder>) -> String {
        wire.map_or_else(|| self.url(), |wire| wire.url(self.scheme))
    }

    /// Waits until it has nothing to do of its own accord.
    ///
    /// # Errors
    /// It does not run.
    pub async fn settled(&self) -> Result<()> {
        const WINDOW: Duration = Duration::from_secs(1);
        let process = self.process.as_ref().context("it does not run")?;
        loop {
            let before = process.processor_s()?;
            tokio::time::sleep(WINDOW).await;
            if process.processor_s()? - before < 0.05 * WINDOW.as_secs_f64() {
                return Ok(());
            }
        }
    }

    /// The processor time that it has used since it was started, in seconds.
    ///
    /// # Errors
    /// It does not run.
    pub fn processor_s(&self) -> Result<f64> {
        let process = self.process.as_ref().context("it does not run")?;
        process.processor_s()
    }

    /// The memory that it holds, in MiB.
    ///
    /// # Errors
    /// It does not run.
    pub fn resident_mib(&self) -> Result<f64> {
        self.memory_mib("VmRSS")
    }

    /// The most memory that it ever held, in MiB.
    ///
    /// # Errors
    /// It does not run.
    pub fn peak_mib(&self) -> Result<f64> {
        self.memory_mib("VmHWM")
    }

    fn memory_mib(&self, field: &str) -> Result<f64> {
        let process = self.process.as_ref().context("it does not run")?;
        process.memory_mib(field)
    }

    /// Everything that it ever printed.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// Storage without the others, in `storage` in that folder.
///
/// # Errors
/// The program is missing or does not start.
pub async fn storage_alone(folder: &TempDir, settings: Settings<'_>) -> Result<Service> {
    let place = folder.path().join("storage").display().to_string();
    let storage = Service::new("backend-storage", folder, settings).with("DATA_DIR", &place);
    storage.started().await
}
