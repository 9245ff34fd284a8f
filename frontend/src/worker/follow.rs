//! A job, followed to its end: by server-sent events, and by asking now and then where those fail.

use darkroom_api::compute::Job;
use darkroom_api::events::EventParser;
use darkroom_api::ids::JobId;
use futures_channel::mpsc;
use futures_util::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{ReadableStreamDefaultReader, Response};

use super::services::Owned;
use crate::protocol::Trouble;

/// After so long without an event the job is asked for.
const SILENCE_MAX_MS: u32 = 15_000;
/// How long to wait between two questions where events do not come at all.
const POLL_MS: u32 = 1_000;
/// How long to wait before a stream that broke is opened again.
const REOPEN_MS: u32 = 250;

/// What the job is now, and every time something changes; ends when nothing will change any more.
/// Dropping it ends the requests.
pub fn follow(services: &Owned, job: JobId) -> mpsc::UnboundedReceiver<Result<Job, Trouble>> {
    let (sender, receiver) = mpsc::unbounded();
    let services = services.clone();
    spawn_local(async move {
        if let Err(trouble) = watch(&services, job, &sender).await {
            // Nobody listens any more: fine.
            let _ = sender.unbounded_send(Err(trouble));
        }
    });
    receiver
}

type Sender = mpsc::UnboundedSender<Result<Job, Trouble>>;

async fn watch(services: &Owned, job: JobId, sender: &Sender) -> Result<(), Trouble> {
    loop {
        let told = match services.job_events(job).await {
            Ok(response) => read_events(services, &response, sender).await,
            // Whatever it was, the plain way below meets it as well.
            Err(_) => Told::Nothing,
        };
        if matches!(told, Told::End) || sender.is_closed() {
            return Ok(());
        }
        let pause_ms = if matches!(told, Told::Nothing) {
            POLL_MS
        } else {
            REOPEN_MS
        };
        services.stop.sleep(pause_ms).await?;
        let now = services.job(job).await?;
        let over = now.state.is_final();
        if sender.unbounded_send(Ok(now)).is_err() || over {
            return Ok(());
        }
    }
}

/// What a stream of events came to.
enum Told {
    /// The job's end, or that nobody listens.
    End,
    /// Something, and then it broke off or fell silent.
    Something,
    /// Not one event.
    Nothing,
}

async fn read_events(services: &Owned, response: &Response, sender: &Sender) -> Told {
    let Some(stream) = response.body() else {
        return Told::Nothing;
    };
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut parser = EventParser::default();
    let mut told = Told::Nothing;
    while let Some(bytes) = next_bytes(services, &reader).await {
        let Ok(events) = parser.push(&bytes) else {
            break;
        };
        for data in events {
            let Ok(job) = serde_json::from_slice::<Job>(&data) else {
                continue;
            };
            told = Told::Something;
            let over = job.state.is_final();
            if sender.unbounded_send(Ok(job)).is_err() || over {
                close(&reader);
                return Told::End;
            }
        }
    }
    close(&reader);
    told
}

fn close(reader: &ReadableStreamDefaultReader) {
    let closed = JsFuture::from(reader.cancel());
    spawn_local(async move {
        // A stream that was aborted cannot be closed any more, and need not be.
        let _ = closed.await;
    });
}

/// The next bytes; none if it ended, broke, fell silent or was stopped.
async fn next_bytes(services: &Owned, reader: &ReadableStreamDefaultReader) -> Option<Vec<u8>> {
    let read = JsFuture::from(reader.read());
    let silence = TimeoutFuture::new(SILENCE_MAX_MS);
    let chunk = match services.stop.unless(select(read, silence)).await.ok()? {
        Either::Left((chunk, _)) => chunk.ok()?,
        Either::Right(_) => return None,
    };
    if Reflect::get(&chunk, &"done".into()).ok()?.is_truthy() {
        return None;
    }
    let value = Reflect::get(&chunk, &"value".into()).ok()?;
    Some(value.dyn_into::<Uint8Array>().ok()?.to_vec())
}
