//! Storing, reading and deleting objects, and the notes beside them.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use darkroom_api::audit::Act;
use darkroom_api::client::Access;
use darkroom_api::header::{self, ObjectKind, ParameterSetId};
use darkroom_api::ids::ObjectId;
use darkroom_api::problem::ProblemType;
use darkroom_api::token::Token;
use e2e::owner::pattern;
use tokio::time::{Duration, timeout};

use crate::customer::{Customer, digest};
use crate::fleet::Way;
use crate::ledger::Image;

/// More than goes to a bucket in one request.
const LARGE_BYTES: usize = 5_600_000;
/// An upload that is broken off lasts at most so long.
const BREAK_OFF: Duration = Duration::from_millis(25);

impl Customer {
    pub async fn upload(&mut self) -> Result<()> {
        let token = self.owner.vault_token.clone();
        self.upload_with(&token).await
    }

    /// Stores an encrypted image by the right of this token.
    pub async fn upload_with(&mut self, token: &Token) -> Result<()> {
        let seed = u32::try_from(self.dice.below(1 << 20))?;
        let object = self.owner.encrypt(&pattern(seed, 8, 8)?)?;
        self.put(object.into(), Some(seed), token).await?;
        self.tally.act("images stored", 1);
        Ok(())
    }

    /// Stores what is no image but as large as some are; one at a time.
    pub async fn upload_large(&mut self) -> Result<()> {
        let large = self.ledger.images.iter();
        let mut large = large.filter(|(_, image)| image.seed.is_none());
        if let Some((&id, image)) = large.next() {
            return match image.since.elapsed() > self.pace.settled {
                true => self.delete_this(id).await,
                false => Ok(()),
            };
        }
        let mut payload = vec![0; LARGE_BYTES];
        for chunk in payload.chunks_mut(8) {
            chunk.copy_from_slice(&self.dice.throw().to_le_bytes()[..chunk.len()]);
        }
        let (kind, parameters) = (ObjectKind::Image, ParameterSetId(1));
        let object = header::seal(kind, parameters, self.owner.key_id(), &payload);
        let token = self.owner.vault_token.clone();
        self.put(object.into(), None, &token).await?;
        self.tally.act("large objects stored", 1);
        Ok(())
    }

    async fn put(&mut self, object: Bytes, seed: Option<u32>, token: &Token) -> Result<()> {
        let (id, vault, kind) = (self.owner.draw_id(), self.owner.vault, ObjectKind::Image);
        let sent = &object;
        let put = |way: Way| async move {
            let access = Access::Owner(token);
            way.storage.put(vault, kind, id, access, sent.clone()).await
        };
        let stored = self.patiently(put).await.outcome;
        if stored.is_err() {
            self.ledger.doubtful.insert(id, Some(digest(&object)));
        }
        let (stored, bytes) = (stored?, object.len() as u64);
        ensure!(stored.bytes == bytes, "{stored:?} for {bytes} bytes");
        self.take_note_of(id, &object, seed);
        Ok(())
    }

    fn take_note_of(&mut self, id: ObjectId, object: &[u8], seed: Option<u32>) {
        let image = Image {
            digest: digest(object),
            seed,
            bytes: object.len() as u64,
            note: None,
            since: Instant::now(),
        };
        self.ledger.images.insert(id, image);
        self.ledger.to_be_logged.push((Act::Put, id));
    }

    /// Goes away in the middle of an upload: it may be there or not, but whole.
    pub async fn abandon(&mut self) -> Result<()> {
        let seed = u32::try_from(self.dice.below(1 << 20))?;
        let object = Bytes::from(self.owner.encrypt(&pattern(seed, 8, 8)?)?);
        let id = self.owner.draw_id();
        let (vault, token) = (self.owner.vault, self.owner.vault_token.clone());
        let way = self.dice.pick(&self.ways).context("no gateway")?.clone();
        let access = Access::Owner(&token);
        let put = way
            .storage
            .put(vault, ObjectKind::Image, id, access, object.clone());
        let limit = self.dice.between((Duration::ZERO, BREAK_OFF));
        match timeout(limit, put).await {
            Ok(Ok(_)) => self.take_note_of(id, &object, Some(seed)),
            _ => {
                let known = Some(digest(&object));
                self.ledger.doubtful.insert(id, known);
                self.tally.act("uploads broken off", 1);
            }
        }
        Ok(())
    }

    pub async fn write_note(&mut self) -> Result<()> {
        // Once each: of two that are under way nobody can say which one stays.
        let bare = self.ledger.images.iter();
        let bare: Vec<_> = bare.filter(|(_, image)| image.note.is_none()).collect();
        let Some(&(&id, _)) = self.dice.pick(&bare) else {
            return Ok(());
        };
        let note: Vec<u8> = (0..4)
            .flat_map(|_| self.dice.throw().to_le_bytes())
            .collect();
        let (vault, kind, sent) = (self.owner.vault, ObjectKind::Image, &note);
        let token = &self.owner.vault_token;
        let put = |way: Way| async move {
            way.storage
                .put_note(vault, kind, id, token, sent.clone())
                .await
        };
        self.patiently(put).await.outcome?;
        if let Some(image) = self.ledger.images.get_mut(&id) {
            image.note = Some(note);
        }
        self.ledger.to_be_logged.push((Act::PutNote, id));
        self.tally.act("notes written", 1);
        Ok(())
    }

    /// Reads an image or a result that was acknowledged.
    pub async fn read_one(&mut self) -> Result<()> {
        let images = self.ledger.images.iter();
        let images = images.map(|(id, image)| (ObjectKind::Image, *id, image.digest));
        let results = self.ledger.results.iter();
        let results = results.map(|(id, (digest, _))| (ObjectKind::Result, *id, *digest));
        let all: Vec<_> = images.chain(results).collect();
        let Some(&(kind, id, known)) = self.dice.pick(&all) else {
            return Ok(());
        };
        self.compare(kind, id, known).await
    }

    /// Checks that an object has the bytes that it had.
    pub async fn compare(&self, kind: ObjectKind, id: ObjectId, known: [u8; 32]) -> Result<()> {
        let object = self.fetch(kind, id).await;
        let object = object.with_context(|| format!("lost: {} {id}", kind.segment()))?;
        ensure!(
            digest(&object) == known,
            "{} {id} has other bytes",
            kind.segment()
        );
        self.tally.act("objects read and compared", 1);
        Ok(())
    }

    pub async fn delete_image(&mut self) -> Result<()> {
        let images = self.ledger.images.iter();
        let free: Vec<_> = images
            .filter(|(id, image)| {
                image.since.elapsed() > self.pace.settled && !self.ledger.is_in_use(**id)
            })
            .map(|(id, _)| *id)
            .collect();
        match self.dice.pick(&free) {
            Some(&id) => self.delete_this(id).await,
            None => Ok(()),
        }
    }

    async fn delete_this(&mut self, id: ObjectId) -> Result<()> {
        self.delete(ObjectKind::Image, id).await?;
        self.ledger.images.remove(&id);
        Ok(())
    }

    pub async fn delete_result(&mut self) -> Result<()> {
        let results = self.ledger.results.iter();
        let free: Vec<_> = results
            .filter(|(_, (_, since))| since.elapsed() > self.pace.settled)
            .map(|(id, _)| *id)
            .collect();
        let Some(&id) = self.dice.pick(&free) else {
            return Ok(());
        };
        self.delete(ObjectKind::Result, id).await?;
        self.ledger.results.remove(&id);
        Ok(())
    }

    async fn delete(&mut self, kind: ObjectKind, id: ObjectId) -> Result<()> {
        let (vault, token) = (self.owner.vault, &self.owner.vault_token);
        let delete = |way: Way| async move { way.storage.delete(vault, kind, id, token).await };
        let answered = self.patiently(delete).await;
        match answered.outcome {
            Ok(()) => self.ledger.to_be_logged.push((Act::Delete, id)),
            // It was done before, and the answer was lost.
            Err(error)
                if !answered.at_once
                    && error.problem().map(|p| p.kind) == Some(ProblemType::ObjectNotFound) => {}
            Err(error) => return Err(error.into()),
        }
        self.ledger.deleted.insert((kind, id));
        self.tally.act("objects deleted", 1);
        Ok(())
    }
}
