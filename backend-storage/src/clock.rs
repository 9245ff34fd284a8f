//! The time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

/// Milliseconds of Unix time.
pub(crate) fn now_ms() -> Result<u64, Error> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let ms = since.map_err(|_| Error::Clock)?.as_millis();
    u64::try_from(ms).map_err(|_| Error::Clock)
}
