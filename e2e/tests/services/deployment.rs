//! `docker/`: what the compose files and manifests say fits the programs that they start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use darkroom_api::routes::{HEALTH, METRICS, READY};
use darkroom_tls::ClientSettings;
use e2e::places::{page, program, root, zoo};
use e2e::services::Darkroom;
use serde::Deserialize;
use serde_json::Value;

/// The programs, their images' files and images, and the port of each.
const SERVICES: [(&str, &str, &str, u64); 3] = [
    (
        "backend-storage",
        "storage.Dockerfile",
        "darkroom-storage",
        7001,
    ),
    (
        "backend-compute",
        "compute.Dockerfile",
        "darkroom-compute",
        7002,
    ),
    ("gateway", "client.Dockerfile", "darkroom-client", 7000),
];

fn docker() -> PathBuf {
    root().join("docker")
}

fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let read = |document: serde_norway::Deserializer| {
        let mut value = serde_norway::Value::deserialize(document)?;
        // What `<<` brings in.
        value.apply_merge()?;
        Ok::<_, serde_norway::Error>(serde_json::to_value(value).unwrap())
    };
    let documents = serde_norway::Deserializer::from_str(&text).map(read);
    let documents: Result<Vec<Value>, _> = documents.collect();
    documents.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn compose() -> Value {
    documents(&docker().join("compose.scale.yaml")).remove(0)
}

/// All manifests, by kind and name.
fn manifests() -> BTreeMap<(String, String), Value> {
    let kustomization = documents(&docker().join("kubernetes/kustomization.yaml")).remove(0);
    let files = kustomization["resources"].as_array().unwrap();
    let mut found = BTreeMap::new();
    for file in files {
        for document in documents(&docker().join("kubernetes").join(text(file))) {
            let named = |value: &Value| text(value).to_owned();
            let name = (
                named(&document["kind"]),
                named(&document["metadata"]["name"]),
            );
            assert!(found.insert(name, document).is_none(), "twice in {file}");
        }
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn list(value: &Value) -> Vec<&Value> {
    value.as_array().into_iter().flatten().collect()
}

/// A folder with all that a container would have: certificates, secrets, the page, the models.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        let made = Command::new(program("darkroom-kme"))
            .args(["certs".as_ref(), room.path("certs").as_os_str()])
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::create_dir(room.path("secrets")).unwrap();
        for secret in ["s3", "postgres"] {
            std::fs::write(room.path("secrets").join(secret), "a secret\n").unwrap();
        }
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same text with the paths of this machine in place of those of a container.
    fn here(&self, text: &str) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        text.replace("/certs/", &format!("{}/", at("certs")))
            .replace("/run/secrets/", &format!("{}/", at("secrets")))
            .replace("/more-models", &at("secrets"))
            .replace("\"/models\"", &format!("{:?}", zoo()))
            .replace("/data", &at("data"))
    }

    /// Runs a program as its container would be: with the image's environment, and over it the given.
    fn run(&self, service: &str, arguments: &[&str], environment: &[(String, String)]) -> Output {
        let (_, dockerfile, ..) = SERVICES.iter().find(|(name, ..)| *name == service).unwrap();
        let mut command = Command::new(program(service));
        for (name, value) in image_environment(dockerfile).iter().chain(environment) {
            let value = match name.as_str() {
                "DARKROOM_PAGE_DIR" => page().display().to_string(),
                _ => self.here(value),
            };
            command.env(name, value);
        }
        for argument in arguments {
            command.arg(match argument.strip_prefix("/etc/darkroom/") {
                Some(name) => self.config(name),
                None => (*argument).into(),
            });
        }
        command.output().unwrap()
    }

    fn config(&self, name: &str) -> PathBuf {
        let text = std::fs::read_to_string(docker().join("kubernetes/config").join(name)).unwrap();
        let file = self.path(name);
        std::fs::write(&file, self.here(&text)).unwrap();
        file
    }

    /// The configuration is fit, and the probes are ones that the program has.
    fn accepts(
        &self,
        service: &str,
        told: &[&str],
        environment: &[(String, String)],
        probes: &[Vec<&str>],
    ) {
        let check = self.run(service, &[told, &["--check"]].concat(), environment);
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "{service}: {said}");
        for probe in probes {
            assert_eq!(probe[0], service);
            let asked = self.run(service, &probe[1..], environment);
            let said = String::from_utf8_lossy(&asked.stderr);
            assert_eq!(asked.status.code(), Some(1), "nobody listens: {said}");
            assert!(said.contains("not well"), "{probe:?}: {said}");
        }
    }
}

/// What an image sets: it goes before the file that is mounted.
fn image_environment(dockerfile: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(docker().join(dockerfile)).unwrap();
    let (_, last) = text.rsplit_once("\nENV ").unwrap();
    let lines = last.lines().map(|line| line.trim().trim_end_matches(" \\"));
    lines
        .map_while(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

/// `${NAME:-default}` is its default, `${NAME:?reason}` an address.
fn filled_in(value: &str) -> String {
    let Some(inside) = value
        .strip_prefix("${")
        .and_then(|rest| rest.strip_suffix('}'))
    else {
        return value.to_owned();
    };
    let default = inside.split_once(":-").map(|(_, default)| default);
    default.unwrap_or("https://s3.example:9000").to_owned()
}

#[test]
fn every_file_of_docker_is_yaml() {
    for folder in [docker(), docker().join("kubernetes")] {
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap().path();
            if file
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                assert!(documents(&file).iter().all(Value::is_object), "{file:?}");
            }
        }
    }
}

#[test]
fn composed_services_take_their_configuration_and_are_shut_in() {
    let room = Room::new();
    let compose = compose();
    for (name, service) in compose["services"].as_object().unwrap() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["user"], "10001:10001", "{name}");
        assert_eq!(service["cap_drop"][0], "ALL", "{name}");
        assert_eq!(
            service["security_opt"][0], "no-new-privileges:true",
            "{name}"
        );
        assert!(service["healthcheck"].is_object(), "{name}");
        let image = text(&service["image"]);
        let Some((program, ..)) = SERVICES.iter().find(|(_, _, ours, _)| *ours == image) else {
            continue;
        };
        assert!(
            service["deploy"]["resources"]["limits"]["memory"].is_string(),
            "{name}"
        );
        let environment = service["environment"].as_object().unwrap().iter();
        let environment: Vec<_> = environment
            .map(|(name, value)| (name.clone(), filled_in(text(value))))
            .collect();
        let told: Vec<&str> = list(&service["command"]).into_iter().map(text).collect();
        let test: Vec<&str> = list(&service["healthcheck"]["test"])
            .into_iter()
            .map(text)
            .collect();
        room.accepts(program, &told, &environment, &[test[1..].to_vec()]);
    }
}

#[test]
fn pods_take_their_configuration_and_are_probed_where_they_answer() {
    let room = Room::new();
    let manifests = manifests();
    for (service, _, image, port) in SERVICES {
        let deployment = manifests.iter().find(|((kind, _), it)| {
            kind == "Deployment"
                && it["spec"]["template"]["spec"]["containers"][0]["image"] == image
        });
        let ((_, name), deployment) = deployment.unwrap();
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(container["ports"][0]["containerPort"], port);
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert_eq!(
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"],
            0
        );

        let environment: Vec<_> = list(&container["env"])
            .into_iter()
            .map(|it| (text(&it["name"]).to_owned(), text(&it["value"]).to_owned()))
            .collect();
        let told: Vec<&str> = list(&container["args"]).into_iter().map(text).collect();
        let mut asked = Vec::new();
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let probe = &container[probe];
            if probe["httpGet"].is_object() {
                assert!([HEALTH, READY].contains(&text(&probe["httpGet"]["path"])));
                assert_eq!(probe["httpGet"]["port"], container["ports"][0]["name"]);
            } else if probe.is_object() {
                asked.push(
                    list(&probe["exec"]["command"])
                        .into_iter()
                        .map(text)
                        .collect(),
                );
            }
        }
        room.accepts(service, &told, &environment, &asked);
        mounted(name, pod);

        let front = &manifests[&("Service".to_owned(), name.clone())]["spec"];
        assert_eq!(
            front["selector"],
            deployment["spec"]["selector"]["matchLabels"]
        );
        assert_eq!(
            front["ports"][0]["targetPort"],
            container["ports"][0]["name"]
        );
        // Whoever asks for it by name and port: gateway and compute, in their environment.
        if service != "gateway" {
            assert_eq!(front["ports"][0]["port"], port);
        }
        let policy = &manifests[&("NetworkPolicy".to_owned(), name.clone())]["spec"];
        assert_eq!(policy["podSelector"], deployment["spec"]["selector"]);
        assert_eq!(policy["ingress"][0]["ports"][0]["port"], port);
    }
}

/// The file that the program is told to read is mounted, and so are the files that it names.
fn mounted(name: &str, pod: &Value) {
    let config = docker().join(format!("kubernetes/config/{name}.toml"));
    let config = std::fs::read_to_string(config).unwrap();
    for volume in list(&pod["volumes"]) {
        for item in list(&volume["secret"]["items"]) {
            let path = format!("/{}\"", text(&item["path"]));
            assert!(config.contains(&path), "{name} has no use for {path}");
        }
    }
    let folders = list(&pod["containers"][0]["volumeMounts"]);
    let folders: Vec<&str> = folders
        .into_iter()
        .map(|it| text(&it["mountPath"]))
        .collect();
    for line in config.lines().filter(|line| line.contains("\"/")) {
        let path = line.split('"').nth(1).unwrap();
        assert!(
            folders.iter().any(|folder| path.starts_with(folder)),
            "{path}"
        );
    }
}

#[test]
fn who_is_stopped_has_time_to_finish() {
    let manifests = manifests();
    for (name, setting) in [("storage", "stop_ms"), ("compute", "drain_ms")] {
        let config = docker().join(format!("kubernetes/config/{name}.toml"));
        let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
        let needed_ms = config[setting].as_integer().unwrap();
        let pod =
            &manifests[&("Deployment".to_owned(), name.to_owned())]["spec"]["template"]["spec"];
        let before = &pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1];
        let before_s: i64 = text(before).parse().unwrap();
        let given_s = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
        assert!(given_s * 1000 > before_s * 1000 + needed_ms, "{name}");
        let grace = &compose()["services"][format!("{name}-node")]["stop_grace_period"];
        let grace_s: i64 = text(grace).trim_end_matches('s').parse().unwrap();
        assert!(grace_s * 1000 > needed_ms, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_autoscaler_asks_for_a_figure_that_compute_tells() {
    let adapter = documents(&docker().join("kubernetes/prometheus-adapter.yaml")).remove(0);
    let rule = &adapter["rules"]["external"][0];
    let manifests = manifests();
    let scaler = &manifests[&("HorizontalPodAutoscaler".to_owned(), "compute".to_owned())];
    let asked = &scaler["spec"]["metrics"][0]["external"]["metric"]["name"];
    assert_eq!(*asked, rule["name"]["as"]);

    let darkroom = Darkroom::start().await.unwrap();
    let http = darkroom_tls::http_client(&ClientSettings::default()).unwrap();
    let figures = format!("{}{METRICS}", darkroom.compute.url());
    let answer = http.build().unwrap().get(figures).send().await.unwrap();
    let told = answer.text().await.unwrap();
    let query = text(&rule["metricsQuery"]);
    let series = query.split_once('(').unwrap().1.split_once(',').unwrap().0;
    assert!(
        told.contains(&format!("{series}}}")),
        "{series} is not in {told}"
    );
    let name = series.split_once('{').unwrap().0;
    assert!(text(&rule["seriesQuery"]).starts_with(name));
}
