//! The binary's configuration: file, environment, and what it refuses.

use std::process::{Command, Output};

fn check(file: &str, environment: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    std::fs::write(&path, file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_backend-storage"));
    command
        .arg("--check")
        .arg("--config")
        .arg(path)
        .envs(environment.iter().copied());
    command.output().unwrap()
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_sample_and_the_environment_are_valid() {
    let sample = include_str!("../../config.sample.toml");
    assert!(check(sample, &[]).status.success());
    assert!(
        check("", &[("DARKROOM_LIMITS__OBJECTS", "5")])
            .status
            .success()
    );
    assert!(
        check("", &[("DARKROOM_LISTEN", "[::1]:80")])
            .status
            .success()
    );
}

#[test]
fn a_bucket_may_be_set_by_the_environment_alone_and_its_secret_is_not_shown() {
    let secret = "DARKROOM_S3__SECRET_ACCESS_KEY";
    let good = [
        ("DARKROOM_S3__BUCKET", "pictures"),
        ("DARKROOM_S3__ACCESS_KEY_ID", "storage"),
        (secret, "not/to+be=shown"),
    ];
    let output = check("", &good);
    assert!(output.status.success(), "{}", message(&output));
    for (more, named) in [
        (
            ("DARKROOM_S3__ENDPOINT", "http://s3.example"),
            "s3.endpoint",
        ),
        (("DARKROOM_S3__CREATE", "somehow"), "multipart"),
        (("DARKROOM_S3__BUCKETS", "two"), "buckets"),
        ((secret, "3141592653"), "secret"),
    ] {
        let output = check("", &[good.as_slice(), &[more]].concat());
        let message = message(&output);
        assert!(!output.status.success(), "{more:?}");
        assert!(message.contains(named), "{more:?}: {message}");
        for shown in ["not/to+be=shown", "3141592653"] {
            assert!(!message.contains(shown), "{message}");
        }
    }
}

#[test]
fn what_is_unknown_or_out_of_range_is_named() {
    for (file, environment, named) in [
        ("lissten = 1", vec![], "lissten"),
        ("[limits]\nobjectz = 1", vec![], "objectz"),
        ("[limits]\nobjects = \"many\"", vec![], "objects"),
        ("[limits]\nobjects = 0", vec![], "limits.objects"),
        ("listen = \"here\"", vec![], "listen"),
        (
            "[upload]\ntotal_ms = 3600000",
            vec![],
            "sweep.older_than_ms",
        ),
        ("", vec![("DARKROOM_LIMITS__OBJECTZ", "5")], "objectz"),
        ("", vec![("DARKROOM_NONSENSE", "5")], "nonsense"),
        // The environment wins over the file.
        (
            "[limits]\nobjects = 5",
            vec![("DARKROOM_LIMITS__OBJECTS", "0")],
            "limits.objects",
        ),
        ("[", vec![], "config"),
        // Files are looked at as well.
        (
            "[tls]\ncertificate = \"/nowhere/a.pem\"\nkey = \"/nowhere/a.key\"",
            vec![],
            "/nowhere/a.pem",
        ),
        (
            "[gateway_link]\nmode = \"qkd\"\nlocal = \"a\"\nremote = \"b\"\n\
             reserve.max_age_ms = 0\n\
             [gateway_link.source]\nkind = \"qkdsimkit\"\nurl = \"http://localhost:5002\"\n\
             role = \"alice\"\nid = \"x\"",
            vec![],
            "gateway_link.reserve.max_age_ms",
        ),
    ] {
        let output = check(file, &environment);
        assert!(!output.status.success(), "{file} {environment:?}");
        assert!(
            message(&output).contains(named),
            "{file} {environment:?}: {}",
            message(&output)
        );
    }
    let missing = Command::new(env!("CARGO_BIN_EXE_backend-storage"))
        .args(["--check", "--config", "/nowhere/at-all.toml"])
        .output()
        .unwrap();
    assert!(!missing.status.success() && message(&missing).contains("at-all.toml"));
}
