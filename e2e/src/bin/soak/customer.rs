//! An owner under load, who asks again until there is an answer and remembers what it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use darkroom_api::client::{Access, ClientError};
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::model::Model;
use darkroom_fhe::params::NETWORK;
use darkroom_fhe::seed::Randomness;
use e2e::evaluation_key::{key_ids, make_key};
use e2e::owner::Owner;
use sha2::{Digest as _, Sha256};
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::fleet::{Fleet, Way};
use crate::ledger::{Digest, Ledger};
use crate::pace::Pace;
use crate::tally::Tally;

/// Nothing is down for so long.
const OUTAGE_MAX: Duration = Duration::from_secs(180);
/// More faults than that tell nothing new.
const FAULTS_MAX: usize = 20;
/// Jobs that one owner has open at most.
const OPEN_MAX: usize = 4;

/// A model and its name.
pub struct Known {
    pub name: &'static str,
    pub model: Model,
}

pub struct Customer {
    pub number: usize,
    pub owner: Owner,
    pub ways: Vec<Way>,
    pub dice: Dice,
    pub ledger: Ledger,
    pub tally: Arc<Tally>,
    pub pace: Pace,
    pub models: Arc<[Known]>,
    /// How many of the models this owner can use.
    pub usable: usize,
}

/// An answer, and whether the request was sent once only.
pub struct Answered<T> {
    pub outcome: Result<T, ClientError>,
    pub at_once: bool,
}

impl Customer {
    /// A new owner with a vault, and with an evaluation key where the network is to be used.
    pub async fn open(
        number: usize,
        fleet: &Fleet,
        models: &Arc<[Known]>,
        (pace, dice): (Pace, Dice),
        tally: &Arc<Tally>,
    ) -> Result<Self> {
        let way = fleet.ways.first().context("no gateway")?.clone();
        let key = ClientKey::generate(&mut Randomness::system()?)?;
        let has_network = number < pace.with_network;
        let mut customer = Self {
            number,
            owner: Owner::at(key, way.storage, way.compute)?,
            ways: fleet.ways.clone(),
            dice,
            ledger: Ledger::default(),
            tally: Arc::clone(tally),
            pace,
            models: Arc::clone(models),
            usable: if has_network { models.len() } else { 1 },
        };
        let (vault, token) = (customer.owner.vault, &customer.owner.vault_token);
        let open = |way: Way| async move { way.storage.open_vault(vault, token).await };
        customer.patiently(open).await.outcome?;
        if has_network {
            customer.send_key().await?;
        }
        Ok(customer)
    }

    async fn send_key(&mut self) -> Result<()> {
        let parts = tokio::task::block_in_place(|| make_key(&self.owner.key))?;
        let kind = ObjectKind::EvaluationKey;
        for (id, part) in key_ids(&self.owner.key).into_iter().zip(parts) {
            let (vault, token) = (self.owner.vault, &self.owner.vault_token);
            let key = self.owner.key_id();
            let object = &header::seal(kind, ParameterSetId(NETWORK.id), key, &part);
            let put = |way: Way| async move {
                let access = Access::Owner(token);
                way.storage
                    .put(vault, kind, id, access, object.clone())
                    .await
            };
            self.patiently(put).await.outcome?;
            self.ledger.key_parts.insert(id, digest(object));
        }
        Ok(())
    }

    /// Does one thing after another until it is told to stop, then waits for its jobs.
    pub async fn live(mut self, stop: Arc<AtomicBool>) -> Self {
        while !stop.load(Ordering::Relaxed) && self.tally.faults() < FAULTS_MAX {
            let (what, done) = self.act().await;
            self.judge(what, done);
            let pause = (Duration::ZERO, Duration::from_millis(40));
            sleep(self.dice.between(pause)).await;
        }
        let done = self.finish_all().await;
        self.judge("finishing all jobs", done);
        self
    }

    /// What should have been done and was not is a fault.
    pub fn judge(&self, what: &str, done: Result<()>) {
        if let Err(error) = done {
            let number = self.number;
            self.tally
                .fault(format!("owner {number}, {what}: {error:#}"));
        }
    }

    async fn act(&mut self) -> (&'static str, Result<()>) {
        let is_busy = self.ledger.open.len() >= OPEN_MAX;
        match self.dice.below(100) {
            0..24 => ("storing an image", self.upload().await),
            24..28 => ("going away during an upload", self.abandon().await),
            28 if self.pace.large => ("storing a large object", self.upload_large().await),
            29..36 => ("writing a note", self.write_note().await),
            36..58 if !is_busy => ("submitting a job", self.submit().await),
            58..61 => ("cancelling a job", self.cancel().await),
            61..75 => ("finishing a job", self.finish().await),
            75..83 => ("reading", self.read_one().await),
            83..88 => ("deleting an image", self.delete_image().await),
            88..91 => ("deleting a result", self.delete_result().await),
            91..94 => ("using a limited token", self.limited_token().await),
            94 => ("rotating the token", self.rotate().await),
            95..98 => ("reading the log", self.read_log().await),
            98.. => ("looking at everything", self.audit(false).await),
            _ => ("finishing a job", self.finish().await),
        }
    }

    /// Asks again, by any way, until there is an answer that will not change.
    pub async fn patiently<T, F>(&self, call: impl Fn(Way) -> F) -> Answered<T>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let (began, mut at_once, mut patience) = (Instant::now(), true, self.pace.patience);
        loop {
            let at = self.dice.below(self.ways.len());
            let outcome = timeout(patience, call(self.ways[at].clone())).await;
            // What takes long on a busy machine would otherwise never be done.
            patience = (patience * 3 / 2).min(OUTAGE_MAX / 2);
            match outcome {
                Ok(Err(error)) if error.is_transient() && began.elapsed() < OUTAGE_MAX => {}
                Err(_) if began.elapsed() < OUTAGE_MAX => {}
                Ok(outcome) => return Answered { outcome, at_once },
                Err(_) => {
                    let (url, detail) = (String::new(), "no answer for too long".to_owned());
                    let outcome = Err(ClientError::Unexpected { url, detail });
                    return Answered { outcome, at_once };
                }
            }
            at_once = false;
            self.tally.retries.fetch_add(1, Ordering::Relaxed);
            let pause = (Duration::from_millis(50), Duration::from_millis(400));
            sleep(self.dice.between(pause)).await;
        }
    }

    /// Reads an object, header included.
    pub async fn fetch(
        &self,
        kind: ObjectKind,
        id: darkroom_api::ids::ObjectId,
    ) -> Result<bytes::Bytes, ClientError> {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let read = |way: Way| async move {
            let access = Access::Owner(token);
            way.storage.object(vault, kind, id, access, 32 << 20).await
        };
        self.patiently(read).await.outcome
    }
}

pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}
