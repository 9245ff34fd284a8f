//! The object store with a watch in its hand: how long each operation takes, and how many fail.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::metrics::{Operation, StoreFigures};

/// An object store that is measured.
#[derive(Debug)]
pub(crate) struct Measured {
    inner: Arc<dyn ObjectStore>,
    figures: StoreFigures,
}

impl Measured {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, figures: StoreFigures) -> Self {
        Self { inner, figures }
    }

    async fn timed<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        timed(&self.figures, operation, work).await
    }
}

async fn timed<T>(
    figures: &StoreFigures,
    operation: Operation,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let began = Instant::now();
    let outcome = work.await;
    figures.done(operation, began.elapsed(), outcome.as_ref().err());
    outcome
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Measured {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let put = self.inner.put_opts(location, payload, options);
        self.timed(Operation::Put, put).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begin = self.inner.put_multipart_opts(location, options);
        let inner = self.timed(Operation::Put, begin).await?;
        let figures = self.figures.clone();
        Ok(Box::new(Upload { inner, figures }))
    }

    /// Until the object's content begins; reading it depends on who it is sent to.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let get = self.inner.get_opts(location, options);
        self.timed(Operation::Get, get).await
    }

    /// Each deletion for itself, as long as the next one took to come.
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        each_timed(
            self.figures.clone(),
            Operation::Delete,
            self.inner.delete_stream(locations),
        )
    }

    /// Until the first of the list comes, and then each failure.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (figures, began) = (self.figures.clone(), Instant::now());
        let listed = self.inner.list(prefix).enumerate();
        let watched = listed.inspect(move |(index, meta)| {
            let error = meta.as_ref().err();
            if *index == 0 || error.is_some() {
                figures.done(Operation::List, began.elapsed(), error);
            }
        });
        watched.map(|(_, meta)| meta).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let list = self.inner.list_with_delimiter(prefix);
        self.timed(Operation::List, list).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let copy = self.inner.copy_opts(from, to, options);
        self.timed(Operation::Copy, copy).await
    }
}

fn each_timed<T: Send + 'static>(
    figures: StoreFigures,
    operation: Operation,
    stream: BoxStream<'static, Result<T>>,
) -> BoxStream<'static, Result<T>> {
    let began = Instant::now();
    let timed = futures_util::stream::unfold(
        (stream, figures, began),
        move |(mut stream, figures, began)| async move {
            let outcome = stream.next().await?;
            figures.done(operation, began.elapsed(), outcome.as_ref().err());
            Some((outcome, (stream, figures, Instant::now())))
        },
    );
    timed.boxed()
}

/// An upload in parts that is measured.
#[derive(Debug)]
struct Upload {
    inner: Box<dyn MultipartUpload>,
    figures: StoreFigures,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, figures) = (self.inner.put_part(data), self.figures.clone());
        Box::pin(async move { timed(&figures, Operation::Put, part).await })
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let complete = self.inner.complete();
        timed(&self.figures, Operation::Put, complete).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}
