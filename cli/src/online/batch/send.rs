//! Pictures are encrypted and stored.

use std::time::Instant;

use bytes::Bytes;
use darkroom_api::header::ObjectKind;
use darkroom_api::ids::ObjectId;
use darkroom_fhe::picture::Frame;

use super::super::note::Note;
use super::super::session::patiently;
use super::{Batch, Item, since};
use crate::error::Error;
use crate::{pictures, stages};

impl Batch<'_> {
    pub(super) async fn send(&self, item: &Item) -> Result<(), Error> {
        let object = self.encrypt(item).await?;
        let begun = Instant::now();
        let (session, sending) = (self.session, "storing the encrypted picture");
        item.bytes_sent.set(object.len());
        let put = async || {
            let (image, object) = (item.image, object.clone());
            session
                .storage
                .put(
                    session.vault,
                    ObjectKind::Image,
                    image,
                    session.access(),
                    object,
                )
                .await
        };
        patiently(put).await.map_err(Error::service(sending))?;
        let note = Note::of_image(&item.path, &session.card);
        self.put_note(ObjectKind::Image, item.image, &note).await?;
        let note = note.of_result(item.image, &session.card);
        self.put_note(ObjectKind::Result, item.result, &note)
            .await?;
        item.time(|times| times.send_ms = since(begun));
        Ok(())
    }

    async fn encrypt(&self, item: &Item) -> Result<Bytes, Error> {
        let (key, path) = (self.session.key.clone(), item.path.clone());
        let input = self.session.card.input;
        let frame = Frame {
            width: input.width,
            height: input.height,
            straighten: input.straighten,
        };
        let work = move || {
            let begun = Instant::now();
            let pixels = pictures::load(&path, frame)?;
            let prepare_ms = since(begun);
            let begun = Instant::now();
            let object = stages::encrypt_pixels(&key, &pixels)?;
            Ok::<_, Error>((object, prepare_ms, since(begun)))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (object, prepare_ms, encrypt_ms) = done.map_err(std::io::Error::other)??;
        item.time(|times| (times.prepare_ms, times.encrypt_ms) = (prepare_ms, encrypt_ms));
        Ok(object.into())
    }

    async fn put_note(&self, kind: ObjectKind, id: ObjectId, note: &Note) -> Result<(), Error> {
        let session = self.session;
        let sealed = Bytes::from(note.seal(&session.key, kind, id)?);
        let put = async || {
            let (owner, sealed) = (&session.vault_token, sealed.clone());
            session
                .storage
                .put_note(session.vault, kind, id, owner, sealed)
                .await
        };
        patiently(put)
            .await
            .map_err(Error::service("storing the sealed name"))
    }
}
