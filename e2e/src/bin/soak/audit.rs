//! Whether all is as the owner was told.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use darkroom_api::audit::Outcome;
use darkroom_api::audit::What;
use darkroom_api::client::Storage;
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::{ProblemType, QuotaUnit};
use darkroom_api::storage::ObjectInfo;

use crate::customer::Customer;
use crate::fleet::{VAULT_BYTES, Way};

/// How many objects are looked at when not all are.
const SAMPLE: usize = 10;
/// As many jobs are in the list at most.
const JOBS_LISTED: usize = 200;

impl Customer {
    /// Lists and reads, all of it or a sample, and compares.
    pub async fn audit(&mut self, all: bool) -> Result<()> {
        for kind in ObjectKind::ALL {
            let listed = self.list(kind, None).await?;
            self.check_list(kind, &listed)?;
            self.check_doubtful(kind, &listed).await?;
        }
        self.check_bytes(all).await?;
        self.check_deleted(all).await?;
        self.check_jobs(all).await?;
        self.read_log().await?;
        self.tally.act("looks at everything", 1);
        Ok(())
    }

    async fn list(&self, kind: ObjectKind, only: Option<&Way>) -> Result<Vec<ObjectInfo>> {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let list = |way: Way| async move {
            let way = only.unwrap_or(&way);
            way.storage.list(vault, kind, token).await
        };
        Ok(self.patiently(list).await.outcome?)
    }

    fn check_list(&self, kind: ObjectKind, listed: &[ObjectInfo]) -> Result<()> {
        let ids: BTreeSet<ObjectId> = listed.iter().map(|info| info.id).collect();
        ensure!(ids.len() == listed.len(), "an object is listed twice");
        let expected = self.ledger.expected(kind);
        let lost: Vec<_> = expected.difference(&ids).collect();
        ensure!(lost.is_empty(), "lost: {} {lost:?}", kind.segment());
        for id in ids.difference(&expected) {
            let name = kind.segment();
            let came_back = self.ledger.deleted.contains(&(kind, *id));
            ensure!(!came_back, "{name} {id} was deleted and is there again");
            let known = self.ledger.doubtful.contains_key(id) || self.ledger.may_come(*id);
            ensure!(known, "{name} {id} comes from nowhere");
        }
        for info in listed {
            let Some(image) = self.ledger.images.get(&info.id) else {
                continue;
            };
            ensure!(info.bytes == image.bytes, "{info:?}");
            let note = info.note.as_ref().map(|sealed| &sealed.0);
            ensure!(note == image.note.as_ref(), "another note: {info:?}");
        }
        Ok(())
    }

    /// What was broken off is whole if it is there at all.
    async fn check_doubtful(&self, kind: ObjectKind, listed: &[ObjectInfo]) -> Result<()> {
        for info in listed {
            if let Some(Some(known)) = self.ledger.doubtful.get(&info.id) {
                self.compare(kind, info.id, *known).await?;
            }
        }
        Ok(())
    }

    async fn check_bytes(&self, all: bool) -> Result<()> {
        if !all {
            for _ in 0..SAMPLE {
                let images: Vec<_> = self.ledger.images.iter().collect();
                if let Some((id, image)) = self.dice.pick(&images) {
                    self.compare(ObjectKind::Image, **id, image.digest).await?;
                }
            }
            return Ok(());
        }
        for (id, image) in &self.ledger.images {
            self.compare(ObjectKind::Image, *id, image.digest).await?;
        }
        for (id, known) in &self.ledger.key_parts {
            self.compare(ObjectKind::EvaluationKey, *id, *known).await?;
        }
        for (id, (known, _)) in &self.ledger.results {
            self.compare(ObjectKind::Result, *id, *known).await?;
        }
        Ok(())
    }

    async fn check_deleted(&self, all: bool) -> Result<()> {
        let deleted = self.ledger.deleted.iter().rev();
        for &(kind, id) in deleted.take(if all { usize::MAX } else { SAMPLE }) {
            match self.fetch(kind, id).await {
                Err(error)
                    if error.problem().map(|p| p.kind) == Some(ProblemType::ObjectNotFound) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => bail!("{} {id} was deleted and is there", kind.segment()),
            }
        }
        Ok(())
    }

    async fn check_jobs(&self, all: bool) -> Result<()> {
        let token = &self.owner.compute_token;
        let list = |way: Way| async move { way.compute.jobs(token).await };
        let listed = self.patiently(list).await.outcome?;
        for job in &listed {
            let known = self.ledger.jobs.get(&job.id);
            let has_ended = known.with_context(|| format!("a job from nowhere: {job:?}"))?;
            ensure!(
                !has_ended || job.state.is_final(),
                "it had ended and goes on: {job:?}"
            );
        }
        let ids: BTreeSet<_> = listed.iter().map(|job| job.id).collect();
        ensure!(ids.len() == listed.len(), "a job is listed twice");
        let expected = self.ledger.jobs.len().min(JOBS_LISTED);
        ensure!(
            listed.len() == expected,
            "{} jobs of {expected}",
            listed.len()
        );
        for &id in self.ledger.jobs.keys().filter(|_| all) {
            let look = |way: Way| async move { way.compute.job(token, id).await };
            let job = self.patiently(look).await.outcome;
            let job = job.with_context(|| format!("lost: job {id}"))?;
            ensure!(job.state.is_final(), "it does not end: {job:?}");
        }
        Ok(())
    }

    /// Reads on in the log: the chain must hold, and all acknowledged changes be in it.
    pub async fn read_log(&mut self) -> Result<()> {
        let (vault, token, seen) = (self.owner.vault, &self.owner.vault_token, self.ledger.log);
        let read = |way: Way| async move { way.storage.log(vault, token, seen).await };
        let (entries, last) = self.patiently(read).await.outcome?;
        let done = entries
            .iter()
            .filter(|entry| entry.deed.outcome == Outcome::Done);
        let logged: BTreeSet<_> = done
            .filter_map(|entry| match entry.deed.what {
                Some(What::Object { id, .. }) => Some((format!("{:?}", entry.deed.act), id)),
                _ => None,
            })
            .collect();
        for (act, id) in self.ledger.to_be_logged.drain(..) {
            let name = format!("{act:?}");
            ensure!(
                logged.contains(&(name, id)),
                "{act:?} of {id} is not in the log"
            );
        }
        self.ledger.log = Some(last);
        self.tally
            .act("entries of logs checked", entries.len() as u64);
        Ok(())
    }

    /// When nothing is going on any more: everything, by every way; returns the bytes in the vault.
    pub async fn close(&mut self) -> Result<u64> {
        self.audit(true).await?;
        let (mut objects, mut bytes) = (0, 0);
        for kind in ObjectKind::ALL {
            let listed = self.list(kind, None).await?;
            objects += listed.len() as u64;
            bytes += listed.iter().map(|info| info.bytes).sum::<u64>();
            for way in &self.ways {
                let same = self.list(kind, Some(way)).await? == listed;
                ensure!(same, "two ways show different lists");
            }
        }
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let look = |way: Way| async move { way.storage.vault(vault, token).await };
        let info = self.patiently(look).await.outcome?;
        ensure!(
            (info.objects, info.bytes) == (objects, bytes),
            "{objects} objects of {bytes} bytes are listed: {info:?}"
        );
        Ok(bytes)
    }

    /// What a storage counts in memory, as it tells whoever wants to store too much.
    pub async fn counted(&mut self, storage: &Storage, bytes: u64) -> Result<u64> {
        let left = VAULT_BYTES.saturating_sub(bytes) + 1;
        let payload = vec![0; usize::try_from(left)?];
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let (id, kind) = (ObjectId([0xff; 16]), ObjectKind::Image);
        let sealed = header::seal(kind, ParameterSetId(1), self.owner.key_id(), &payload);
        let sealed = &bytes::Bytes::from(sealed);
        let put = |_: Way| async move {
            let access = darkroom_api::client::Access::Owner(token);
            storage.put(vault, kind, id, access, sealed.clone()).await
        };
        let error = self.patiently(put).await.outcome;
        let error = error.err().context("more was stored than may be")?;
        let quota = error.problem().and_then(|problem| problem.quota);
        match quota {
            Some(quota) if quota.unit == QuotaUnit::Bytes => Ok(quota.used),
            _ => Err(error.into()),
        }
    }
}
