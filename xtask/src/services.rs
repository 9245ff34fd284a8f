//! The services, and the key nodes if there are some, as child processes: started in order, watched,
//! stopped in reverse.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::tail;
use crate::http;
use crate::ports::{Ports, local};
use crate::transit::{KME, Settings, Transit};

/// How long a service may take until it is ready.
const START_LIMIT: Duration = Duration::from_secs(120);
/// How long a service may take to finish what it began when it is told to stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What the services need to know.
pub struct Layout {
    /// Where the programs are.
    pub programs: PathBuf,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Folders of models.
    pub models: Vec<PathBuf>,
    /// The built page.
    pub page: PathBuf,
    /// Where they listen.
    pub ports: Ports,
    /// What protects the ways between them.
    pub transit: Transit,
}

/// The running services. Whatever still runs is killed on drop.
pub struct Services {
    running: Vec<Service>,
}

struct Service {
    name: &'static str,
    address: SocketAddr,
    /// How to ask by TLS; by plain HTTP where there is none.
    healthcheck: Option<Command>,
    log: PathBuf,
    child: Child,
}

impl Services {
    /// Starts all three and waits until each is ready, or `stop` says to give up.
    pub fn start(layout: &Layout, stop: &dyn Fn() -> bool) -> Result<Self> {
        let mut services = Self {
            running: Vec::new(),
        };
        let transit = &layout.transit;
        for (name, node, status) in transit.nodes()? {
            services.spawn(layout, (KME, name), status, node, false)?;
        }
        let url = |port| format!("{}://localhost:{port}", transit.scheme());
        let storage = url(layout.ports.storage);
        let compute = url(layout.ports.compute);
        let kept = layout.data.join("storage");
        let mut settings = transit.storage()?;
        settings.extend(owned([("DATA_DIR", text(&kept)?)]));
        services.serve(layout, "backend-storage", layout.ports.storage, settings)?;

        let database = layout.data.join("compute/jobs.sqlite");
        std::fs::create_dir_all(layout.data.join("compute"))?;
        let models: Result<Vec<_>> = layout.models.iter().map(|folder| text(folder)).collect();
        let mut settings = transit.compute()?;
        settings.extend(owned([
            ("STORAGE_URL", storage.clone()),
            ("DATABASE", text(&database)?),
            ("MODELS", serde_json::to_string(&models?)?),
        ]));
        services.serve(layout, "backend-compute", layout.ports.compute, settings)?;

        let mut settings = transit.gateway()?;
        settings.extend(owned([
            ("PAGE_DIR", text(&layout.page)?),
            ("STORAGE_URL", storage),
            ("COMPUTE_URL", compute),
        ]));
        services.serve(layout, "gateway", layout.ports.gateway, settings)?;
        services.wait_until_ready(stop)?;
        Ok(services)
    }

    /// Returns when `stop` says so; fails when a service dies before.
    pub fn watch(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        while !stop() {
            self.check_alive()?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Tells all to stop, the last started first, and waits for each.
    pub fn stop(mut self) -> Result<()> {
        let mut problems = Vec::new();
        while let Some(mut service) = self.running.pop() {
            if let Err(error) = service.stop() {
                problems.push(format!("{error:#}"));
            }
        }
        if !problems.is_empty() {
            bail!("{}", problems.join("\n"));
        }
        Ok(())
    }

    fn serve(
        &mut self,
        layout: &Layout,
        name: &'static str,
        port: u16,
        mut settings: Settings,
    ) -> Result<()> {
        settings.push(("LISTEN".to_owned(), local(port).to_string()));
        self.spawn(layout, (name, name), port, settings, layout.transit.tls)
    }

    fn spawn(
        &mut self,
        layout: &Layout,
        (program, name): (&str, &'static str),
        port: u16,
        settings: Settings,
        tls: bool,
    ) -> Result<()> {
        let log = layout.data.join(format!("log/{name}.log"));
        let file = open_log(&log)?;
        let prepared = || {
            let mut command = Command::new(layout.programs.join(program));
            for (key, value) in &settings {
                command.env(format!("DARKROOM_{key}"), value);
            }
            command
        };
        let healthcheck = tls.then(|| {
            let mut command = prepared();
            command.arg("--healthcheck");
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        });
        let mut command = prepared();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        own_group(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        self.running.push(Service {
            name,
            address: local(port),
            healthcheck,
            log,
            child,
        });
        Ok(())
    }

    fn wait_until_ready(&mut self, stop: &dyn Fn() -> bool) -> Result<()> {
        let began = Instant::now();
        for index in 0..self.running.len() {
            loop {
                self.check_alive()?;
                let service = &mut self.running[index];
                let ready = service.is_ready();
                let Service {
                    name, address, log, ..
                } = service;
                match ready {
                    Ok(true) => break println!("  {name} is ready on {address}"),
                    _ if stop() => bail!("stopped before {name} was ready"),
                    last if began.elapsed() > START_LIMIT => {
                        bail!(
                            "{name} is not ready ({last:?}); its log ends:\n{}",
                            tail(log, 20)
                        )
                    }
                    _ => std::thread::sleep(Duration::from_millis(50)),
                }
            }
        }
        Ok(())
    }

    fn check_alive(&mut self) -> Result<()> {
        for service in &mut self.running {
            if let Some(status) = service.child.try_wait()? {
                let Service { name, log, .. } = service;
                bail!("{name} died ({status}); its log ends:\n{}", tail(log, 20));
            }
        }
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        while let Some(mut service) = self.running.pop() {
            if let Err(error) = service.stop() {
                eprintln!("{error:#}");
            }
        }
    }
}

impl Service {
    fn is_ready(&mut self) -> Result<bool> {
        match &mut self.healthcheck {
            Some(command) => Ok(command.status()?.success()),
            None if self.name.starts_with("kme") => {
                Ok(http::status(self.address, "/healthz")? == 200)
            }
            None => Ok(http::status(self.address, "/readyz")? == 200),
        }
    }

    fn stop(&mut self) -> Result<()> {
        let status = match self.child.try_wait()? {
            Some(status) => status,
            None => self.terminate()?,
        };
        if !status.success() {
            bail!(
                "{} ended badly ({status}); its log ends:\n{}",
                self.name,
                tail(&self.log, 20)
            );
        }
        Ok(())
    }

    fn terminate(&mut self) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process without an id")?, Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < STOP_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("{} does not stop: killing it", self.name);
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

/// Ctrl-C in a terminal goes to a whole process group; only we shall hear it, and stop in order.
fn own_group(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

fn open_log(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let open = OpenOptions::new().create(true).append(true).open(log);
    open.with_context(|| format!("could not write {}", log.display()))
}

fn owned<const N: usize>(settings: [(&str, String); N]) -> Settings {
    settings
        .map(|(key, value)| (key.to_owned(), value))
        .to_vec()
}

/// A path as settings take it.
pub fn text(path: &Path) -> Result<String> {
    let text = path
        .to_str()
        .with_context(|| format!("{} is not Unicode", path.display()))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_dies_is_named_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("backend-storage");
        std::fs::write(&program, "#!/bin/sh\necho no space left >&2\nexit 3\n").unwrap();
        let made = Command::new("chmod")
            .arg("+x")
            .arg(&program)
            .status()
            .unwrap();
        assert!(made.success());
        let ports = Ports {
            gateway: 1,
            storage: 2,
            compute: 3,
        };
        let layout = Layout {
            programs: folder.path().to_owned(),
            data: folder.path().join("data"),
            models: Vec::new(),
            page: folder.path().to_owned(),
            ports,
            transit: Transit::none(),
        };
        let mut services = Services {
            running: Vec::new(),
        };
        services
            .serve(&layout, "backend-storage", 2, Settings::new())
            .unwrap();
        let message = format!("{:#}", services.watch(&|| false).unwrap_err());
        assert!(message.contains("backend-storage died"), "{message}");
        assert!(message.contains("no space left"), "{message}");
    }
}
