//! A request's body on its way to a service, one piece in the hand and one on the way.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix_web::web;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::error::{Error, Service};

const PIECES_ON_THE_WAY: usize = 1;

enum Piece {
    Data(Bytes),
    /// Without it the body was not sent whole, and the service must not take it for whole.
    End,
}

/// A body that the service is given, and the work that fills it.
pub(crate) fn passed_on(
    payload: web::Payload,
    bytes_max: u64,
    activity: Rc<Activity>,
) -> (reqwest::Body, impl Future<Output = Result<(), Error>>) {
    let (sender, receiver) = mpsc::channel(PIECES_ON_THE_WAY);
    let pieces = stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Piece::Data(bytes)) => Some((Ok(bytes), Some(receiver))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), None)),
        }
    });
    let filling = fill(payload, sender, bytes_max, activity);
    (reqwest::Body::wrap_stream(pieces), filling)
}

async fn fill(
    mut payload: web::Payload,
    to: mpsc::Sender<Piece>,
    bytes_max: u64,
    activity: Rc<Activity>,
) -> Result<(), Error> {
    let mut bytes = 0;
    loop {
        activity.wait_for_client(true);
        let piece = match payload.next().await {
            Some(Ok(data)) => {
                bytes += data.len() as u64;
                Piece::Data(data)
            }
            Some(Err(_)) => return Err(Error::UploadBroken),
            None => Piece::End,
        };
        activity.wait_for_client(false);
        if bytes > bytes_max {
            return Err(Error::TooLarge { bytes_max });
        }
        let last = matches!(piece, Piece::End);
        // A service that takes no more has answered already, and its answer says why.
        if to.send(piece).await.is_err() || last {
            return Ok(());
        }
    }
}

/// When something moved last on a request, and whose turn it is.
pub(crate) struct Activity {
    moved: Cell<Instant>,
    waits_for_client: Cell<bool>,
}

impl Activity {
    pub(crate) fn start() -> Rc<Self> {
        Rc::new(Self {
            moved: Cell::new(Instant::now()),
            waits_for_client: Cell::new(false),
        })
    }

    fn wait_for_client(&self, waits: bool) {
        self.moved.set(Instant::now());
        self.waits_for_client.set(waits);
    }

    /// Ends when nothing has moved for so long; says whose fault that is.
    pub(crate) async fn idle(&self, limit: Duration, service: Service) -> Error {
        while self.moved.get().elapsed() < limit {
            sleep_until(self.moved.get() + limit).await;
        }
        let idle_s = limit.as_secs();
        match self.waits_for_client.get() {
            true => Error::UploadTimeout { idle_s },
            false => Error::Silent { service, idle_s },
        }
    }
}
