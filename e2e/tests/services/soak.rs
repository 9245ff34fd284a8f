//! The soak in short: a few kills under load. `cargo xtask soak` does hundreds.

use std::process::{Command, Stdio};

use e2e::places::program;

fn soak(store: &str) {
    let mut soak = Command::new(program("soak"));
    // What is skipped is said past the test's captured output.
    let soak = soak
        .args(["--kills", "10", "--store", store])
        .stderr(Stdio::inherit());
    let output = soak.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn nothing_is_lost_on_a_disk() {
    soak("disk");
}

#[test]
fn nothing_is_lost_on_a_bucket_with_two_of_each() {
    soak("s3");
}
