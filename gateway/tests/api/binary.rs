//! The built program: its flags, its environment, its memory, its end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use futures_util::stream;

use crate::upstream::{Ended, Upstream};
use crate::{nobody, plain_client, write_page};

fn command(page: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .env("DARKROOM_LISTEN", "127.0.0.1:0")
        .env("DARKROOM_PAGE_DIR", page);
    command
}

struct Running {
    child: Child,
    address: SocketAddr,
    _stderr: BufReader<ChildStderr>,
    _page: tempfile::TempDir,
}

impl Running {
    fn start(change: impl FnOnce(&mut Command)) -> Self {
        let page = tempfile::tempdir().unwrap();
        write_page(page.path());
        let mut command = command(page.path());
        change(&mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(
                stderr.read_line(&mut line).unwrap(),
                0,
                "it ended before it listened"
            );
            if let Some((_, address)) = line.trim_end().rsplit_once("listening on ") {
                break address.parse().unwrap();
            }
        };
        Self {
            child,
            address,
            _stderr: stderr,
            _page: page,
        }
    }

    /// The most memory that it ever had, in KiB.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(change: impl FnOnce(&mut Command)) -> Output {
    let page = tempfile::tempdir().unwrap();
    write_page(page.path());
    let mut command = command(page.path());
    change(&mut command);
    command.output().unwrap()
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn fifty_megabytes_pass_without_being_kept() {
    let upstream = Upstream::start();
    let mut ended = upstream.ended();
    let gateway = Running::start(|command| {
        command.env(
            "DARKROOM_STORAGE_URL",
            format!("http://{}", upstream.address),
        );
    });
    let client = plain_client();
    let url = format!("http://{}/api/storage/v1/slow-sink", gateway.address);
    // Both ways of sending are used once before memory is looked at.
    client
        .put(&url)
        .body(vec![0; 100_000])
        .send()
        .await
        .unwrap();
    ended.recv().await.unwrap();
    let before = gateway.peak_kib();

    let (piece, count) = (vec![7; 50_000], 1000);
    let pieces = (0..count).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let body = reqwest::Body::wrap_stream(stream::iter(pieces));
    let response = client.put(&url).body(body).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "50000000");
    let whole = Ended::Whole {
        bytes: 50_000_000,
        announced: None,
    };
    assert_eq!(ended.recv().await.unwrap(), whole);
    let grown = gateway.peak_kib() - before;
    println!("memory grew by {grown} KiB, to {} KiB", gateway.peak_kib());
    assert!(grown < 10_000, "it kept {grown} KiB of a body of 50 MB");
}

#[test]
fn check_says_what_is_wrong() {
    let fit = run(|command| {
        command.arg("--check");
    });
    assert!(fit.status.success(), "{fit:?}");

    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/config.sample.toml");
    let fit = run(|command| {
        command.args(["--check", "--config", sample]);
    });
    assert!(fit.status.success(), "{fit:?}");

    for (key, value, named) in [
        ("DARKROOM_COLOUR", "red", "colour"),
        ("DARKROOM_STORAGE_URL", "storage", "storage_url"),
        ("DARKROOM_PAGE_DIR", "/nowhere/at/all", "/nowhere/at/all"),
        ("DARKROOM_LISTEN", "here", "listen"),
    ] {
        let unfit = run(|command| {
            command.arg("--check").env(key, value);
        });
        let said = String::from_utf8_lossy(&unfit.stderr).to_lowercase();
        assert!(
            !unfit.status.success() && said.contains(named),
            "{key}: {said}"
        );
    }
    let unfit = run(|command| {
        command.args(["--check", "--config", "/nowhere/at/all.toml"]);
    });
    let said = String::from_utf8_lossy(&unfit.stderr);
    assert!(
        !unfit.status.success() && said.contains("/nowhere/at/all.toml"),
        "{said}"
    );
}

fn is_healthy(address: SocketAddr) -> bool {
    says(address, "--healthcheck")
}

fn says(address: SocketAddr, check: &str) -> bool {
    let check = run(|command| {
        command
            .arg(check)
            .env("DARKROOM_LISTEN", address.to_string())
            .env("DARKROOM_ALLOW_PLAIN_HTTP", "true");
    });
    check.status.success()
}

#[test]
fn healthcheck_asks_the_one_that_runs() {
    let gateway = Running::start(|_| {});
    assert!(is_healthy(gateway.address));
    // Nobody is behind it.
    assert!(!says(gateway.address, "--readycheck"));
    let everywhere = SocketAddr::from(([0, 0, 0, 0], gateway.address.port()));
    assert!(is_healthy(everywhere));
    assert!(!is_healthy(nobody()));
}

#[test]
fn sigterm_ends_it_in_good_order() {
    let mut gateway = Running::start(|_| {});
    // Who answers has its signal handlers in place.
    assert!(is_healthy(gateway.address));
    let told = Command::new("kill")
        .args(["-TERM", &gateway.child.id().to_string()])
        .status();
    assert!(told.unwrap().success());
    assert!(gateway.child.wait().unwrap().success());
}
