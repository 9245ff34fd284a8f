//! Compute as a process of its own, to be killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

use backend_compute::Config;
use darkroom_api::client::Compute as Client;

pub struct Process {
    child: Child,
    pub client: Client,
    base: String,
}

impl Process {
    /// Starts the binary with this configuration, every value by the environment.
    pub fn start(config: &Config) -> Self {
        let mut child = command(config).stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = log
                .next()
                .expect("compute ended before it listened")
                .unwrap();
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        // A full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        let base = format!("http://{address}");
        let client = Client::new(&base).unwrap();
        Self {
            child,
            client,
            base,
        }
    }

    /// A figure of its metrics.
    pub async fn figure(&self, name: &str) -> u64 {
        super::figure(&self.base, name).await
    }

    /// As the kernel does it when memory is short: no warning, no clean-up.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As an operator does it.
    pub fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }

    pub fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim()
            .trim_end_matches(" kB")
            .parse::<usize>()
            .unwrap()
            * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn command(config: &Config) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backend-compute"));
    let quoted: Vec<_> = config
        .models
        .iter()
        .map(|path| format!("{:?}", path))
        .collect();
    command
        .env("DARKROOM_LOG__FILTER", "info")
        .env("NO_COLOR", "1")
        .env("DARKROOM_LISTEN", config.listen.to_string())
        .env("DARKROOM_STORAGE_URL", &config.storage_url)
        .env("DARKROOM_MODELS", format!("[{}]", quoted.join(",")))
        .env("DARKROOM_DATABASE", String::from(config.database.clone()))
        .env("DARKROOM_THREADS", config.threads.to_string())
        .env(
            "DARKROOM_KEY_CACHE_BYTES",
            config.key_cache_bytes.to_string(),
        )
        .env("DARKROOM_DRAIN_MS", config.drain_ms.to_string())
        .env(
            "DARKROOM_QUEUE__LEASE_MS",
            config.queue.lease_ms.to_string(),
        )
        .env("DARKROOM_QUEUE__POLL_MS", config.queue.poll_ms.to_string())
        .env(
            "DARKROOM_QUEUE__ATTEMPTS_MAX",
            config.queue.attempts_max.to_string(),
        )
        .env(
            "DARKROOM_LIMITS__JOBS_PER_OWNER",
            config.limits.jobs_per_owner.to_string(),
        )
        .env(
            "DARKROOM_LIMITS__JOBS_PER_DAY",
            config.limits.jobs_per_day.to_string(),
        );
    command
}
