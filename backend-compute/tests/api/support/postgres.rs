//! A PostgreSQL of the tests' own: its files in a folder that goes with it, reached by a socket.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Runs the server until its input ends, which it does whatever becomes of the tests' process.
const RUN: &str = r#"
"$BIN/postgres" -D "$DATA" "$@" >>"$DATA/log" 2>&1 &
server=$!
read -r _
kill -CONT $server $(ps -o pid= --ppid $server) 2>/dev/null
kill -INT $server 2>/dev/null
wait $server
"#;

/// A running server.
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    /// Who runs it; `None`: whoever runs the tests.
    user: Option<(u32, u32)>,
    options: Vec<String>,
    running: Mutex<Option<Child>>,
    databases: AtomicU32,
    port: AtomicU16,
}

impl Postgres {
    /// The server that tests share; it stops with the last of them. `None`, and says so, where
    /// PostgreSQL is not installed.
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        let server = Arc::new(Self::start(&[])?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// A server of one test's own.
    pub fn start(options: &[&str]) -> Option<Self> {
        let Some(bin) = bin() else {
            // Past the test's captured output, which nobody sees of a test that passes.
            let _ = writeln!(
                std::io::stderr(),
                "skipped: no PostgreSQL under /usr/lib/postgresql; a test did not run"
            );
            return None;
        };
        let server = Self {
            folder: TempDir::new().unwrap(),
            bin,
            user: user(),
            options: options.iter().map(ToString::to_string).collect(),
            running: Mutex::default(),
            databases: AtomicU32::new(0),
            port: AtomicU16::new(5432),
        };
        let folder = server.folder.path();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        if let Some((user, group)) = server.user {
            chown(folder, Some(user), Some(group)).unwrap();
        }
        let made = server
            .command("initdb")
            .args(["--auth=trust", "--username=darkroom", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(server.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        // What comes later in the file counts, and `postgresql.auto.conf` over all of it.
        let settings = server.data().join("postgresql.conf");
        let mut file = OpenOptions::new().append(true).open(settings).unwrap();
        writeln!(file, "listen_addresses = ''").unwrap();
        server.start_again();
        Some(server)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets whoever runs the server, and nobody else, read a file.
    pub fn entrust(&self, file: &Path) {
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.user {
            chown(file, Some(user), Some(group)).unwrap();
        }
    }

    /// Starts it at this port with these settings, and these lines of `pg_hba.conf` before all others.
    pub fn configure(&self, port: u16, settings: &str, access: &str) {
        self.stop();
        self.port.store(port, Ordering::Relaxed);
        let settings = format!("port = {port}\n{settings}");
        std::fs::write(self.data().join("postgresql.auto.conf"), settings).unwrap();
        let file = self.data().join("pg_hba.conf");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{access}\n{before}")).unwrap();
        self.start_again();
    }

    /// Starts it and waits until it answers.
    pub fn start_again(&self) {
        let child = self
            .command("sh")
            .args(["-c", RUN, "postgres", "-c", "fsync=off"])
            .arg(format!(
                "--unix_socket_directories={}",
                self.folder().display()
            ))
            .args(&self.options)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        *self.running() = Some(child);
        let begun = Instant::now();
        while !self.sql("postgres", "SELECT 1") {
            let log = std::fs::read_to_string(self.data().join("log"));
            assert!(begun.elapsed() < Duration::from_secs(30), "{log:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it at once; those who are connected are sent away.
    pub fn stop(&self) {
        if let Some(mut child) = self.running().take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    /// Ends it as `kill -9` of all its processes does. The soak uses it, which has this file too.
    #[allow(dead_code)]
    pub fn kill(&self) {
        let processes = self.held();
        signal("-KILL", &processes);
        // The next server refuses to start beside one that is left.
        while processes.iter().any(|process| is_alive(process)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop();
    }

    /// Makes it as silent as a machine that lost its power, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let processes = self.held();
        if !frozen {
            // One that ended meanwhile gets none.
            signal("-CONT", &processes);
        }
    }

    /// Its processes, all of them held still.
    fn held(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let parent = text.lines().next().unwrap().to_owned();
        let mut processes = vec![parent.clone()];
        // First, so that it has no more children; those that it had may end meanwhile.
        assert!(signal("-STOP", &processes));
        let list = ["-o", "pid=", "--ppid", &parent];
        let children = Command::new("ps").args(list).output().unwrap();
        let children = String::from_utf8(children.stdout).unwrap();
        processes.extend(children.split_whitespace().map(str::to_owned));
        signal("-STOP", &processes);
        processes
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("jobs{number}");
        assert!(self.sql("postgres", &format!("CREATE DATABASE {name}")));
        let socket = self.folder().display();
        format!("postgres://darkroom@localhost/{name}?host={socket}")
    }

    /// Whether a statement succeeds.
    pub fn sql(&self, database: &str, sql: &str) -> bool {
        let mut command = self.command("psql");
        command.args(["-X", "-q", "-U", "darkroom", "-d", database, "-c", sql]);
        command.arg("-h").arg(self.folder());
        let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.unwrap().success()
    }

    fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program of PostgreSQL's or of the system, as the server's user.
    fn command(&self, program: &str) -> Command {
        let own = self.bin.join(program);
        let mut command = Command::new(if own.exists() { own } else { program.into() });
        command.current_dir(self.folder()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        let port = self.port.load(Ordering::Relaxed);
        command.env("PGPORT", port.to_string());
        command.env("BIN", &self.bin).env("DATA", self.data());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a signal; whether all of the processes got it.
fn signal(name: &str, processes: &[String]) -> bool {
    let kill = Command::new("kill").arg(name).args(processes).output();
    kill.unwrap().status.success()
}

/// One that is dead and only waits for its parent to look is not.
fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z"))
}

/// Where the newest version's programs are.
fn bin() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut bins: Vec<_> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    bins.sort();
    bins.pop()
}

/// PostgreSQL refuses to run as root: then `postgres`, else `nobody`.
fn user() -> Option<(u32, u32)> {
    let root = OpenOptions::new().write(true).open("/etc/passwd").is_ok();
    if !root {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let mut fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&name))?
            .into_iter()
            .skip(2)
            .map(|id| id.parse().ok());
        Some((fields.next()??, fields.next()??))
    };
    find("postgres").or_else(|| find("nobody"))
}
