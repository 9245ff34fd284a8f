//! How long objects are kept, where that is limited.

use std::sync::Arc;
use std::time::SystemTime;

use darkroom_api::audit::{Act, Deed, Outcome, What, Who};
use darkroom_api::header::ObjectKind;
use futures_util::TryStreamExt;
use serde::Deserialize;

use crate::app::State;
use crate::clock::ms_of;
use crate::error::Error;
use crate::keys::{Content, content_key, parse_content_key};
use crate::stored::Place;
use crate::vaults::OpenVault;

/// How long objects are kept; 0 is until somebody deletes them. Evaluation keys are always kept: what
/// is made with them would be of no use, and they show nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Images.
    pub images_ms: u64,
    /// Results.
    pub results_ms: u64,
}

impl Retention {
    /// How long objects of this kind are kept, if that is limited.
    pub fn keep_ms(&self, kind: ObjectKind) -> Option<u64> {
        let ms = match kind {
            ObjectKind::Image => self.images_ms,
            ObjectKind::EvaluationKey => 0,
            ObjectKind::Result => self.results_ms,
        };
        (ms > 0).then_some(ms)
    }

    /// When an object goes that was stored at this time.
    pub(crate) fn expires_ms(&self, kind: ObjectKind, created_ms: u64) -> Option<u64> {
        self.keep_ms(kind).map(|ms| created_ms.saturating_add(ms))
    }
}

/// Deletes what a vault has kept for long enough, notes without their object too. How much.
pub(crate) async fn expire(
    state: &Arc<State>,
    vault: OpenVault,
    now: SystemTime,
) -> Result<u64, Error> {
    let retention = state.config.retention;
    if ObjectKind::ALL
        .iter()
        .all(|kind| retention.keep_ms(*kind).is_none())
    {
        return Ok(0);
    }
    let now = ms_of(now)?;
    let mut count = 0;
    let mut listed = state.store.list(&content_key(vault));
    while let Some(meta) = listed.try_next().await? {
        let Some((content, kind, id)) = parse_content_key(&meta.location) else {
            continue;
        };
        let written_ms = u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(now);
        let expires_ms = retention.expires_ms(kind, written_ms);
        let place = Place { vault, kind, id };
        // A note goes with its object, whenever it was written.
        let has_its_object =
            content == Content::Note && state.store.size(&place.object()).await?.is_some();
        if has_its_object || expires_ms.is_none_or(|end| now < end) {
            continue;
        }
        match state.objects.clone().delete(place).await {
            Ok(()) => {
                let deed = Deed {
                    who: Who::Storage,
                    act: Act::Expire,
                    what: Some(What::Object { kind, id }),
                    outcome: Outcome::Done,
                };
                state.journal.change(vault, deed).await?;
                count += 1;
            }
            // Somebody was faster.
            Err(Error::NoObject) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}
