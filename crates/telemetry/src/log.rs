//! What is logged and how.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::start::StartError;

/// What is logged and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// Levels, as in `info` or `warn,backend_storage=debug`.
    pub filter: String,
    /// The form of a line.
    pub format: LogFormat,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl LogSettings {
    /// Whether the filter can be read.
    ///
    /// # Errors
    /// [`StartError::Filter`].
    pub fn check(&self) -> Result<(), StartError> {
        self.filter().map(drop)
    }

    pub(crate) fn filter(&self) -> Result<EnvFilter, StartError> {
        let text = &self.filter;
        EnvFilter::try_new(text).map_err(|error| StartError::Filter {
            text: text.clone(),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_or_refused_by_name() {
        let with = |filter: &str| LogSettings {
            filter: filter.to_owned(),
            ..LogSettings::default()
        };
        with("warn,backend_storage=debug").check().unwrap();
        let message = with("info,gateway=loud").check().unwrap_err().to_string();
        assert!(message.contains("log.filter"), "{message}");
    }
}
