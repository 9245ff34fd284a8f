//! The service, within this process or as one of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use backend_storage::Config;
use tempfile::TempDir;

use super::Owner;
use crate::store;

/// The service within this process.
pub struct App {
    pub address: String,
    /// Where the objects lie.
    pub dir: PathBuf,
    server: actix_web::dev::ServerHandle,
    _temporary: Option<TempDir>,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let temporary = TempDir::new().unwrap();
        let mut app = Self::start_in(temporary.path(), change).await;
        app._temporary = Some(temporary);
        app
    }

    pub async fn start_in(dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config {
            workers: 2,
            ..Config::default()
        };
        store::configure(dir, &mut config);
        change(&mut config);
        let dir = store::objects_in(dir);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = backend_storage::serve(listener, config).await.unwrap();
        let handle = server.handle();
        tokio::spawn(server);
        Self {
            address,
            dir,
            server: handle,
            _temporary: None,
        }
    }

    pub async fn stop(self) {
        self.server.stop(true).await;
    }

    pub async fn owner(&self) -> Owner {
        Owner::open(&self.address).await
    }
}

/// The service as a process of its own, as it is deployed.
pub struct Process {
    pub address: String,
    log: Arc<Mutex<String>>,
    child: Child,
}

impl Process {
    /// Starts it over a folder; `settings` are lines of TOML.
    pub fn start(dir: &Path, settings: &str) -> Self {
        Self::start_by(
            Command::new(env!("CARGO_BIN_EXE_backend-storage")),
            dir,
            settings,
        )
    }

    pub fn start_by(mut command: Command, dir: &Path, settings: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let file = dir.join(format!("config-{count}.toml"));
        let (keys, tables) = store::configure_toml(dir);
        let text = format!("listen = \"127.0.0.1:0\"\n{keys}{settings}\n{tables}");
        std::fs::write(&file, text).unwrap();
        command.arg("--config").arg(&file).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map(|line| line.unwrap())
            .find_map(|line| {
                let address = line.split("listening on ").nth(1)?;
                let is_address = |c: char| c.is_ascii_digit() || ".:".contains(c);
                Some(address.chars().take_while(|c| is_address(*c)).collect())
            })
            .expect("the service starts");
        let log = Arc::new(Mutex::new(String::new()));
        let lines = lines.map_while(Result::ok);
        let written = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.for_each(|line| *written.lock().unwrap() += &(line + "\n"))
        });
        Self {
            address,
            log,
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// SIGKILL: no destructor, no flush.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &id]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
