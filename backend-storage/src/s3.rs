//! A bucket of an S3-compatible store: its settings, and the client made of them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, S3CopyIfNotExists};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, Certificate, ClientOptions, ObjectStore, RetryConfig};
use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::config::Limits;
use crate::error::Error;

/// The least that S3 takes as a part of an upload, the last one aside.
pub(crate) const PART_BYTES: u64 = 5 << 20;

/// How long to wait for a connection, and for the next bytes on it. The second one also bounds a whole
/// request that sends a body, and the store's own copy of a large object, which some make slowly.
const CONNECT: Duration = Duration::from_secs(5);
const READ: Duration = Duration::from_secs(120);
/// Idle connections are left before stores close them: what is sent just then fails, and a creation is
/// not sent again by the client.
const IDLE: Duration = Duration::from_secs(3);
/// An outage is said within about so long.
const RETRY: Duration = Duration::from_secs(10);
const RETRIES_MAX: usize = 4;

/// A bucket, and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket; it must be there.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// The store's URL without the bucket; that of AWS in the region where not set.
    pub endpoint: Option<String>,
    /// What comes before every key, so that others can use the bucket too.
    pub prefix: String,
    /// Who asks.
    pub access_key_id: String,
    /// The secret that goes with it.
    pub secret_access_key: Option<Secret>,
    /// A file that holds the secret, instead.
    pub secret_access_key_file: Option<PathBuf>,
    /// PEM file of the roots that are trusted; the system's where not set.
    pub roots: Option<PathBuf>,
    /// Whether the endpoint may be plain HTTP.
    pub allow_http: bool,
    /// Whether the bucket is part of the host name, not of the path.
    pub virtual_hosted_style: bool,
    /// How a large object is made only where nothing is.
    pub create: S3Create,
    /// Memory for the parts of all uploads together; more uploads wait for their turn.
    pub buffer_bytes: u64,
}

/// How an object of more than 5 MiB is made only where nothing is. Smaller ones are written in one
/// request with `If-None-Match: *`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum S3Create {
    /// In parts, which are put together with `If-None-Match: *`.
    Multipart,
    /// As the smaller ones. It is held in memory whole.
    Put,
}

impl Default for S3Settings {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            prefix: String::new(),
            access_key_id: String::new(),
            secret_access_key: None,
            secret_access_key_file: None,
            roots: None,
            allow_http: false,
            virtual_hosted_style: false,
            create: S3Create::Multipart,
            buffer_bytes: 256 << 20,
        }
    }
}

impl S3Settings {
    /// Checks what types cannot say. The message names the field.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), String> {
        for (name, value) in [
            ("bucket", &self.bucket),
            ("region", &self.region),
            ("access_key_id", &self.access_key_id),
        ] {
            if value.is_empty() {
                return Err(format!("{name} is empty"));
            }
        }
        if self.secret_access_key.is_some() == self.secret_access_key_file.is_some() {
            return Err("set one of secret_access_key and secret_access_key_file".to_owned());
        }
        let is_tls = |endpoint: &str| endpoint.starts_with("https://");
        let is_plain = |endpoint: &str| self.allow_http && endpoint.starts_with("http://");
        if !self
            .endpoint
            .as_deref()
            .is_none_or(|endpoint| is_tls(endpoint) || is_plain(endpoint))
        {
            return Err("endpoint begins with https://, or with http:// and allow_http".to_owned());
        }
        if Path::parse(&self.prefix).is_err() {
            return Err("prefix is no path, like \"darkroom\" or \"a/b\"".to_owned());
        }
        let least = self.whole_bytes_max().min(limits.object_bytes_max());
        if self.buffer_bytes < least.max(PART_BYTES) {
            return Err(format!(
                "buffer_bytes is below the {} bytes of one upload",
                least.max(PART_BYTES)
            ));
        }
        Ok(())
    }

    /// Up to how many bytes an object is written in one request.
    pub(crate) fn whole_bytes_max(&self) -> u64 {
        match self.create {
            S3Create::Multipart => PART_BYTES,
            S3Create::Put => u64::MAX,
        }
    }

    /// The bucket's client. Reads the files; does not connect.
    pub(crate) fn client(&self) -> Result<Arc<dyn ObjectStore>, Error> {
        let secret = self.secret()?;
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(secret.as_str())
            .with_virtual_hosted_style_request(self.virtual_hosted_style)
            .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
            .with_client_options(self.http_options()?)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    max_backoff: Duration::from_secs(2),
                    ..BackoffConfig::default()
                },
                max_retries: RETRIES_MAX,
                retry_timeout: RETRY,
            });
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(self.with_bucket(endpoint));
        }
        let client = builder.build().map_err(|error| refuse(error.to_string()))?;
        if self.prefix.is_empty() {
            return Ok(Arc::new(client));
        }
        let prefix = Path::parse(&self.prefix).map_err(|error| refuse(error.to_string()))?;
        Ok(Arc::new(PrefixStore::new(client, prefix)))
    }

    /// object_store wants the bucket in the endpoint where it is part of the host name.
    fn with_bucket(&self, endpoint: &str) -> String {
        match endpoint.split_once("://") {
            Some((scheme, host)) if self.virtual_hosted_style => {
                format!("{scheme}://{}.{host}", self.bucket)
            }
            _ => endpoint.to_owned(),
        }
    }

    fn http_options(&self) -> Result<ClientOptions, Error> {
        // No limit for a whole request: a download lasts as long as its client is slow.
        let mut options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_connect_timeout(CONNECT)
            .with_read_timeout(READ)
            .with_pool_idle_timeout(IDLE)
            .with_timeout_disabled();
        // The system may have no roots, as small containers do, and then no client can be made.
        let is_plain = |endpoint: &str| endpoint.starts_with("http://");
        if self.roots.is_some() || self.endpoint.as_deref().is_some_and(is_plain) {
            options = options.with_no_system_certificates(true);
        }
        if let Some(file) = &self.roots {
            let failed = |error: &dyn fmt::Display| refuse(format!("{}: {error}", file.display()));
            let pem = std::fs::read(file).map_err(|error| failed(&error))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?;
            if roots.is_empty() {
                return Err(failed(&"no certificate in it"));
            }
            for root in roots {
                options = options.with_root_certificate(root);
            }
        }
        Ok(options)
    }

    fn secret(&self) -> Result<Zeroizing<String>, Error> {
        let secret = match (&self.secret_access_key, &self.secret_access_key_file) {
            (Some(secret), _) => secret.0.clone(),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text = text.map_err(|error| refuse(format!("{}: {error}", file.display())))?;
                Zeroizing::new(Zeroizing::new(text).trim().to_owned())
            }
            (None, None) => Zeroizing::default(),
        };
        if secret.is_empty() {
            return Err(refuse("the secret access key is empty".to_owned()));
        }
        Ok(secret)
    }
}

impl fmt::Display for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = self.endpoint.as_deref().unwrap_or("AWS");
        write!(f, "the bucket {} at {endpoint}", self.bucket)
    }
}

fn refuse(detail: String) -> Error {
    Error::Config {
        detail: format!("s3: {detail}"),
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        // An error of serde's own would show the value that is no text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Value {
            Text(String),
            Other(IgnoredAny),
        }
        match Value::deserialize(d)? {
            Value::Text(text) => Ok(text.into()),
            Value::Other(_) => Err(de::Error::custom("a secret is a text: put it into quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> S3Settings {
        S3Settings {
            bucket: "pictures".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: Some("do not show".to_owned().into()),
            ..S3Settings::default()
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let limits = Limits::default();
        assert_eq!(settings().check(&limits), Ok(()));
        type Change = fn(&mut S3Settings);
        let wrong: [(&str, Change); 9] = [
            ("bucket", |s| s.bucket.clear()),
            ("region", |s| s.region.clear()),
            ("access_key_id", |s| s.access_key_id.clear()),
            ("secret_access_key_file", |s| s.secret_access_key = None),
            ("secret_access_key_file", |s| {
                s.secret_access_key_file = Some("/run/secrets/s3".into());
            }),
            ("endpoint", |s| {
                s.endpoint = Some("http://store:9000".to_owned());
            }),
            ("endpoint", |s| s.endpoint = Some("store:9000".to_owned())),
            ("prefix", |s| s.prefix = "a//b".to_owned()),
            ("buffer_bytes", |s| s.buffer_bytes = PART_BYTES - 1),
        ];
        for (named, change) in wrong {
            let mut settings = settings();
            change(&mut settings);
            let message = settings.check(&limits).unwrap_err();
            assert!(message.contains(named), "{named}: {message}");
        }
        let whole = S3Settings {
            create: S3Create::Put,
            buffer_bytes: limits.key_bytes - 1,
            ..settings()
        };
        assert!(whole.check(&limits).unwrap_err().contains("buffer_bytes"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let settings = settings();
        let client = settings.client().unwrap();
        for shown in [
            format!("{settings:?} {settings}"),
            format!("{client:?} {client}"),
        ] {
            assert!(!shown.contains("do not show"), "{shown}");
        }
        let error = serde_json::from_str::<Secret>("271828").unwrap_err();
        assert!(!error.to_string().contains("271828"), "{error}");
    }

    #[test]
    fn the_secret_may_lie_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let settings = S3Settings {
            secret_access_key: None,
            secret_access_key_file: Some(file.clone()),
            ..settings()
        };
        let named = |settings: &S3Settings| settings.client().unwrap_err().to_string();
        assert!(named(&settings).contains("secret"), "{}", named(&settings));
        std::fs::write(&file, "\n").unwrap();
        assert!(named(&settings).contains("empty"));
        std::fs::write(&file, "from a file\n").unwrap();
        assert_eq!(settings.secret().unwrap().as_str(), "from a file");
        settings.client().unwrap();
    }

    #[test]
    fn the_bucket_is_in_the_path_or_in_the_host_name() {
        let mut settings = settings();
        let endpoint = "https://s3.example:9000";
        assert_eq!(settings.with_bucket(endpoint), endpoint);
        settings.virtual_hosted_style = true;
        assert_eq!(
            settings.with_bucket(endpoint),
            "https://pictures.s3.example:9000"
        );
    }
}
