//! Objects and their notes within one vault.

use std::sync::Arc;
use std::time::Duration;

use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind};
use darkroom_api::ids::ObjectId;
use darkroom_api::storage::{LIST_PAGE_MAX, ListQuery, ObjectInfo, ObjectList, Sealed};
use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use object_store::PutMode;
use tracing::Instrument;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::keys::collection_key;
use crate::ledger::{Account, Ledger, Usage, count};
use crate::metrics::{Deed, Metrics};
use crate::retention::Retention;
use crate::store::{Staged, Store};
use crate::stored::{Download, Place, Stored, same_or_conflict};
use crate::vaults::{OpenVault, Vaults};

/// How many objects of a list are looked at in parallel: a bucket answers in tens of milliseconds.
const LIST_PARALLEL: usize = 32;
/// How often an upload is published that the store refuses for nothing.
const PUBLISH_TRIES_MAX: u32 = 10;
const PUBLISH_PAUSE: Duration = Duration::from_millis(100);

/// The objects of all vaults.
pub(crate) struct Objects {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    retention: Retention,
    vaults: Vaults,
    ledger: Ledger,
    metrics: Metrics,
}

impl Objects {
    pub(crate) fn new(store: Store, vaults: Vaults, config: &Config, metrics: Metrics) -> Self {
        Self {
            store,
            limits: config.limits.clone(),
            retention: config.retention,
            vaults,
            ledger: Ledger::default(),
            metrics,
        }
    }

    /// What a vault holds, counted now.
    pub(crate) async fn usage(&self, vault: OpenVault) -> Result<Usage, Error> {
        count(&self.store, vault).await
    }

    /// An object without its payload, if it is there.
    pub(crate) async fn find(&self, place: Place) -> Result<Option<Stored>, Error> {
        let head = self
            .store
            .read_range(&place.object(), 0..HEADER_BYTES as u64)
            .await?;
        head.map(|(meta, head)| Stored::new(&meta, &head))
            .transpose()
    }

    /// The same, with nothing there where it is damaged: whoever has it whole may put it again.
    pub(crate) async fn find_whole(&self, place: Place) -> Result<Option<Stored>, Error> {
        match self.find(place).await {
            Err(Error::Damaged { .. }) => Ok(None),
            found => found,
        }
    }

    /// Refuses early what would not fit in the end.
    pub(crate) async fn check_room(&self, place: Place, bytes: u64) -> Result<(), Error> {
        let account = self.ledger.account(&self.store, place.vault).await?;
        self.room(&account, place, bytes).await.map(drop)
    }

    /// Whether the object will be a new entry, if there is room for it. A damaged one that is in its
    /// place goes first.
    async fn room(&self, account: &Account, place: Place, bytes: u64) -> Result<bool, Error> {
        let damaged = self.store.size(&place.object()).await?;
        let has_note = self.store.size(&place.note()).await?.is_some();
        let is_entry = damaged.is_none() && !has_note;
        let bytes = bytes.saturating_sub(damaged.unwrap_or(0));
        account
            .usage()
            .check(&self.limits, u64::from(is_entry), bytes)?;
        Ok(is_entry)
    }

    /// Makes a checked upload visible, unless something has its id: then only the same object is
    /// no error. The upload's own key is gone afterwards. Whether the object is new.
    ///
    /// Runs to its end even if the client goes away.
    pub(crate) async fn publish(
        self: Arc<Self>,
        place: Place,
        header: Header,
        staged: Staged,
    ) -> Result<(Stored, bool), Error> {
        let task = async move {
            let outcome = self.publish_checked(place, &header, &staged).await;
            // Whatever it was, the staged upload has done its work; if it stays, it is swept.
            if let Err(error) = self.store.discard(staged).await {
                tracing::warn!(
                    error = crate::error::causes(&error),
                    "an upload was left behind"
                );
            }
            // The vault may have been deleted meanwhile, and then its content was listed perhaps
            // before this object was there.
            if !self.vaults.is_open(place.vault).await? {
                self.store.delete(&place.object()).await?;
                return Err(Error::Unauthorized);
            }
            outcome
        };
        let task = tokio::spawn(task.in_current_span());
        task.await.map_err(|_| Error::Task)?
    }

    async fn publish_checked(
        &self,
        place: Place,
        header: &Header,
        staged: &Staged,
    ) -> Result<(Stored, bool), Error> {
        let mut account = self.ledger.account(&self.store, place.vault).await?;
        match self.find(place).await {
            Ok(None) => {}
            Ok(Some(found)) => return same_or_conflict(found, header),
            Err(Error::Damaged { .. }) => self.clear(place, &mut account).await?,
            Err(error) => return Err(error),
        }
        let bytes = header.payload_bytes.saturating_add(HEADER_BYTES as u64);
        let is_entry = self.room(&account, place, bytes).await?;
        let (found, is_new) = self.publish_and_find(place, staged).await?;
        if !is_new {
            // Whoever put it there, it is not in the count.
            account.forget();
            return same_or_conflict(found, header);
        }
        account.change(|usage| {
            usage.objects += 1;
            usage.entries += u64::from(is_entry);
            usage.bytes += bytes;
        });
        self.metrics.object(Deed::Written, place.kind, bytes);
        Ok((found, true))
    }

    /// What is there afterwards, and whether this call put it there.
    async fn publish_and_find(
        &self,
        place: Place,
        staged: &Staged,
    ) -> Result<(Stored, bool), Error> {
        let mut tries = 0;
        loop {
            let published = self.store.publish(staged, &place.object()).await;
            match (published, self.find(place).await?) {
                (Ok(is_new), Some(found)) => return Ok((found, is_new)),
                // The bucket may have done it, and its answer was lost.
                (Err(_), Some(found)) => return Ok((found, false)),
                (Err(error), None) => return Err(error),
                // S3 also refuses one of two that come at the same time, whose other may fail yet or
                // be a deletion.
                (Ok(false), None) if tries < PUBLISH_TRIES_MAX => tries += 1,
                (Ok(_), None) => return Err(Error::ObjectExists),
            }
            tokio::time::sleep(PUBLISH_PAUSE).await;
        }
    }

    /// Makes room for an object where a damaged one is; its note stays.
    async fn clear(&self, place: Place, account: &mut Account) -> Result<(), Error> {
        let bytes = self.store.size(&place.object()).await?.unwrap_or(0);
        let has_note = self.store.size(&place.note()).await?.is_some();
        self.store.delete_durably(&place.object()).await?;
        account.change(|usage| {
            usage.objects = usage.objects.saturating_sub(1);
            usage.bytes = usage.bytes.saturating_sub(bytes);
            usage.entries = usage.entries.saturating_sub(u64::from(!has_note));
        });
        tracing::warn!(key = %place.object(), "a damaged object makes room for a whole one");
        Ok(())
    }

    /// Opens an object for reading.
    pub(crate) async fn download(&self, place: Place) -> Result<Download, Error> {
        let found = self.store.get(&place.object()).await?;
        let download = Download::begin(found.ok_or(Error::NoObject)?).await?;
        self.metrics.object(Deed::Read, place.kind, download.bytes);
        Ok(download)
    }

    /// Deletes an object and its note, whichever is there.
    pub(crate) async fn delete(self: Arc<Self>, place: Place) -> Result<(), Error> {
        let task = async move {
            let mut account = self.ledger.account(&self.store, place.vault).await?;
            let object = self.store.size(&place.object()).await?;
            let note = self.store.size(&place.note()).await?;
            if object.is_none() && note.is_none() {
                return Err(Error::NoObject);
            }
            let outcome = self.delete_both(place).await;
            if let (Ok(()), Some(bytes)) = (&outcome, object) {
                self.metrics.object(Deed::Deleted, place.kind, bytes);
            }
            match &outcome {
                Ok(()) => account.change(|usage| {
                    // Another process may have stored it since this one counted.
                    usage.objects = usage.objects.saturating_sub(u64::from(object.is_some()));
                    usage.bytes = usage.bytes.saturating_sub(object.unwrap_or(0));
                    usage.entries = usage.entries.saturating_sub(1);
                }),
                Err(_) => account.forget(),
            }
            outcome
        };
        let task = tokio::spawn(task.in_current_span());
        task.await.map_err(|_| Error::Task)?
    }

    async fn delete_both(&self, place: Place) -> Result<(), Error> {
        self.store.delete_durably(&place.object()).await?;
        self.store.delete_durably(&place.note()).await?;
        Ok(())
    }

    /// Writes the note beside an object, which need not be there yet. Where it may not replace one,
    /// only the same note is no error.
    pub(crate) async fn put_note(
        self: Arc<Self>,
        place: Place,
        sealed: Vec<u8>,
        may_replace: bool,
    ) -> Result<(), Error> {
        let task = async move {
            let mut account = self.ledger.account(&self.store, place.vault).await?;
            let known = self.store.size(&place.object()).await?.is_some()
                || self.store.size(&place.note()).await?.is_some();
            account.usage().check(&self.limits, u64::from(!known), 0)?;
            let mode = match may_replace {
                true => PutMode::Overwrite,
                false => PutMode::Create,
            };
            let (note, content) = (place.note(), sealed.clone());
            if !self.store.put(&note, sealed, mode).await?
                && self
                    .store
                    .read(&note)
                    .await?
                    .is_none_or(|there| there != content)
            {
                return Err(Error::TokenRefused {
                    reason: "there is another note already; only the vault's owner changes it",
                });
            }
            account.change(|usage| usage.entries += u64::from(!known));
            if !self.vaults.is_open(place.vault).await? {
                self.store.delete(&place.note()).await?;
                return Err(Error::Unauthorized);
            }
            Ok(())
        };
        let task = tokio::spawn(task.in_current_span());
        task.await.map_err(|_| Error::Task)?
    }

    /// A page of a collection, sorted by id.
    pub(crate) async fn list(
        &self,
        vault: OpenVault,
        kind: ObjectKind,
        query: ListQuery,
    ) -> Result<ObjectList, Error> {
        let limit = query.limit.unwrap_or(LIST_PAGE_MAX).min(LIST_PAGE_MAX);
        let mut ids: Vec<ObjectId> = self.ids(vault, kind).await?;
        ids.retain(|id| query.after.is_none_or(|after| *id > after));
        ids.sort_unstable();
        let more = ids.len() > limit;
        ids.truncate(limit);
        let objects = stream::iter(ids)
            .map(|id| self.describe(Place { vault, kind, id }))
            .buffered(LIST_PARALLEL)
            .try_filter_map(|info| async move { Ok(info) })
            .try_collect();
        Ok(ObjectList {
            objects: objects.await?,
            more,
        })
    }

    async fn ids(&self, vault: OpenVault, kind: ObjectKind) -> Result<Vec<ObjectId>, Error> {
        let listed = self.store.list(&collection_key(vault, kind));
        let ids = listed.try_filter_map(|meta| async move {
            let name = meta.location.filename();
            Ok(name.and_then(|name| name.parse::<ObjectId>().ok()))
        });
        Ok(ids.try_collect().await?)
    }

    /// `None` for what was deleted since it was listed, and for what is damaged: that must not hide
    /// the rest of the list.
    async fn describe(&self, place: Place) -> Result<Option<ObjectInfo>, Error> {
        let found = match self.find(place).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(None),
            Err(error @ Error::Damaged { .. }) => {
                tracing::error!(key = %place.object(), %error, "left out of a list");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let note = self.store.read(&place.note()).await?;
        let note = note.map(|note| Sealed(note.to_vec()));
        Ok(Some(found.info(&self.retention, place.id, note)))
    }

    /// Gives back what the ledger remembers of vaults that are not used now.
    pub(crate) fn forget_idle(&self) {
        self.ledger.forget_idle();
    }
}
