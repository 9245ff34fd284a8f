//! A proxy on the wire between the browser and the gateway, or between two services: it passes bytes
//! on as they are, keeps a copy of each that the client sent, and makes large uploads wait if asked to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What went over the wire.
#[derive(Debug, Default)]
struct Record {
    /// Sent by the browser, a buffer a connection.
    sent: Vec<Vec<u8>>,
    /// Received by the browser, in the same order.
    received: Vec<Vec<u8>>,
}

/// What a connection may carry before it waits.
const HELD_AFTER_BYTES: usize = 1 << 20;
const POLL: Duration = Duration::from_millis(20);

/// A running proxy. It ends on drop.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    record: Arc<Mutex<Record>>,
    holding: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Listens on a free port and passes every connection on to `target`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let record = Arc::<Mutex<Record>>::default();
        let holding = Arc::<AtomicBool>::default();
        let wire = Wire {
            record: Arc::clone(&record),
            holding: Arc::clone(&holding),
        };
        let task = tokio::spawn(accept(listener, target, wire));
        Ok(Self {
            address,
            record,
            holding,
            task,
        })
    }

    /// Where it listens, as a URL without a slash at the end; by the name `localhost`, which
    /// certificates hold and a browser takes for a secure context.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// All bytes that the browser sent so far, connection after connection.
    pub fn sent(&self) -> Vec<Vec<u8>> {
        self.lock().sent.clone()
    }

    /// All bytes that it received so far, connection after connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.lock().received.clone()
    }

    /// Makes every connection wait that has carried a megabyte from the browser, or lets all go on.
    pub fn hold_uploads(&self, hold: bool) {
        self.holding.store(hold, Ordering::Relaxed);
    }

    /// How many bytes the browser received so far, heads of answers included.
    pub fn received_bytes(&self) -> u64 {
        let record = self.lock();
        record.received.iter().map(|bytes| bytes.len() as u64).sum()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the connections share.
#[derive(Clone)]
struct Wire {
    record: Arc<Mutex<Record>>,
    holding: Arc<AtomicBool>,
}

async fn accept(listener: TcpListener, target: SocketAddr, wire: Wire) {
    while let Ok((browser, _)) = listener.accept().await {
        let wire = wire.clone();
        tokio::spawn(async move {
            // A gateway that is down looks to the browser like a connection that closes.
            let Ok(gateway) = TcpStream::connect(target).await else {
                return;
            };
            let (from_browser, to_browser) = browser.into_split();
            let (from_gateway, to_gateway) = gateway.into_split();
            let index = {
                let mut record = wire.record.lock().unwrap_or_else(PoisonError::into_inner);
                record.sent.push(Vec::new());
                record.received.push(Vec::new());
                record.sent.len() - 1
            };
            let up = tokio::spawn(copy_up(from_browser, to_gateway, wire.clone(), index));
            copy_down(from_gateway, to_browser, &wire.record, index).await;
            up.abort();
        });
    }
}

async fn copy_up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, wire: Wire, index: usize) {
    let Wire { record, holding } = wire;
    let mut carried = 0;
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        // Recorded before it is passed on: nothing gets through unseen.
        record.lock().unwrap_or_else(PoisonError::into_inner).sent[index]
            .extend_from_slice(&chunk[..length]);
        carried += length;
        while carried > HELD_AFTER_BYTES && holding.load(Ordering::Relaxed) {
            tokio::time::sleep(POLL).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

async fn copy_down(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    record: &Mutex<Record>,
    index: usize,
) {
    let mut chunk = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .received[index]
            .extend_from_slice(&chunk[..length]);
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
