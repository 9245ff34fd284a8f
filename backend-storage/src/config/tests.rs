use super::*;

fn parse(toml: &str) -> Result<Config, String> {
    let sources = Figment::new().merge(Toml::string(toml));
    sources.extract().map_err(|error| error.to_string())
}

#[test]
fn the_sample_shows_the_defaults_and_all_of_them() {
    let sample = include_str!("../../config.sample.toml");
    let config = parse(sample).unwrap();
    assert_eq!(config, Config::default());
    config.validate().unwrap();
    // Every line of the sample is a field: without any of them the rest still parses, with
    // another name it does not.
    for line in sample
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
    {
        let broken = sample.replace(line, &format!("x{line}"));
        let message = parse(&broken).unwrap_err();
        assert!(message.contains("unknown field"), "{line}: {message}");
    }
}

#[test]
fn the_sample_shows_all_of_a_bucket_and_its_defaults() {
    let sample = include_str!("../../config.sample.toml");
    let (_, rest) = sample.split_once("# [s3]\n").unwrap();
    let fields: Vec<_> = rest
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("# ").filter(|line| line.contains(" = ")))
        .collect();
    let shown = parse(&format!("[s3]\n{}", fields.join("\n"))).unwrap();
    // These have no default, or must not be set together.
    let shown = shown.s3.unwrap();
    assert!(
        shown
            .check(&Limits::default())
            .unwrap_err()
            .contains("_file")
    );
    let expected = S3Settings {
        bucket: "darkroom".to_owned(),
        endpoint: Some("https://s3.example:9000".to_owned()),
        access_key_id: "storage".to_owned(),
        secret_access_key: Some("...".to_owned().into()),
        secret_access_key_file: Some("/run/secrets/s3".into()),
        roots: Some("root.pem".into()),
        ..S3Settings::default()
    };
    assert_eq!(shown, expected);
    let debug = format!("{shown:?}");
    for field in fields {
        let name = field.split(" = ").next().unwrap();
        assert!(debug.contains(&format!("{name}: ")), "{name}");
    }
    assert_eq!(debug.matches(": ").count(), 12, "one is not in the sample");
}

#[test]
fn values_out_of_range_are_named() {
    let config = Config {
        sweep: Sweep {
            older_than_ms: 1,
            ..Sweep::default()
        },
        ..Config::default()
    };
    assert!(
        config
            .validate()
            .unwrap_err()
            .to_string()
            .contains("sweep.older_than_ms")
    );
    let limits = Limits {
        image_bytes: 71,
        ..Limits::default()
    };
    let config = Config {
        limits,
        ..Config::default()
    };
    assert!(
        config
            .validate()
            .unwrap_err()
            .to_string()
            .contains("images")
    );
    let config = Config {
        upload: Upload {
            idle_ms: 0,
            total_ms: 1,
        },
        ..Config::default()
    };
    assert!(
        config
            .validate()
            .unwrap_err()
            .to_string()
            .contains("upload.idle_ms")
    );
}
