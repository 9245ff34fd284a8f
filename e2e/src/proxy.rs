//! A proxy on the wire between the browser and the gateway, or between two services: it passes bytes
//! on as they are, keeps a copy of each, and if asked to makes large uploads wait and breaks connections
//! in the middle of what they carry.

use std::collections::VecDeque;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
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

/// Whither bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client.
    Up,
    /// To the client.
    Down,
}

/// What happens to one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is closed.
    Cut,
    /// Nothing goes over it any more, and nobody is told.
    Hang,
    /// What is sent still arrives, but nothing comes back.
    Mute,
}

/// A fault that is still to come.
#[derive(Debug)]
struct Planned {
    way: Way,
    after_bytes: usize,
    fault: Fault,
}

/// What a connection may carry before it waits.
const HELD_AFTER_BYTES: usize = 1 << 20;
const POLL: Duration = Duration::from_millis(20);

/// A running proxy. It ends on drop.
#[derive(Debug)]
pub struct Recorder {
    address: SocketAddr,
    wire: Wire,
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
        let wire = Wire::default();
        let task = tokio::spawn(accept(listener, target, wire.clone()));
        Ok(Self {
            address,
            wire,
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
        self.wire.record().sent.clone()
    }

    /// All bytes that it received so far, connection after connection.
    pub fn received(&self) -> Vec<Vec<u8>> {
        self.wire.record().received.clone()
    }

    /// Makes every connection wait that has carried a megabyte from the browser, or lets all go on.
    pub fn hold_uploads(&self, hold: bool) {
        self.wire.holding.store(hold, Ordering::Relaxed);
    }

    /// Does this to the connection that carries the next byte after so many that way, counted from now
    /// or from the fault planned before. Each comes once; all other connections stay whole.
    pub fn plan_fault(&self, way: Way, after_bytes: usize, fault: Fault) {
        self.wire.faults().push_back(Planned {
            way,
            after_bytes,
            fault,
        });
    }

    /// How many faults are still to come.
    pub fn faults_left(&self) -> usize {
        self.wire.faults().len()
    }

    /// How many bytes the browser received so far, heads of answers included.
    pub fn received_bytes(&self) -> u64 {
        let record = self.wire.record();
        record.received.iter().map(|bytes| bytes.len() as u64).sum()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the connections share.
#[derive(Debug, Clone, Default)]
struct Wire {
    record: Arc<Mutex<Record>>,
    holding: Arc<AtomicBool>,
    faults: Arc<Mutex<VecDeque<Planned>>>,
}

impl Wire {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn faults(&self) -> MutexGuard<'_, VecDeque<Planned>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_holding(&self) -> bool {
        self.holding.load(Ordering::Relaxed)
    }

    /// Of so many bytes that go this way: how many go before the fault that they meet, if they do.
    fn meets(&self, way: Way, length: usize) -> Option<(usize, Fault)> {
        let mut faults = self.faults();
        let next = faults.front_mut().filter(|next| next.way == way)?;
        let before = next.after_bytes;
        if before >= length {
            next.after_bytes -= length;
            return None;
        }
        let met = faults.pop_front()?;
        Some((before, met.fault))
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, wire: Wire) {
    while let Ok((browser, _)) = listener.accept().await {
        let wire = wire.clone();
        tokio::spawn(async move {
            // A gateway that is down looks to the browser like a connection that closes.
            let Ok(gateway) = TcpStream::connect(target).await else {
                return;
            };
            Connection::new(wire).carry(browser, gateway).await;
        });
    }
}

/// One connection, from a client to its service.
struct Connection {
    wire: Wire,
    /// Its place in the record.
    index: usize,
    fault: OnceLock<Fault>,
}

impl Connection {
    fn new(wire: Wire) -> Self {
        let mut record = wire.record();
        record.sent.push(Vec::new());
        record.received.push(Vec::new());
        let index = record.sent.len() - 1;
        drop(record);
        Self {
            wire,
            index,
            fault: OnceLock::new(),
        }
    }

    /// Carries until the service closes it or a fault cuts it.
    async fn carry(self, mut browser: TcpStream, mut gateway: TcpStream) {
        let (from_browser, to_browser) = browser.split();
        let (from_gateway, to_gateway) = gateway.split();
        let up = self.copy(Way::Up, from_browser, to_gateway);
        let down = self.copy(Way::Down, from_gateway, to_browser);
        tokio::pin!(up, down);
        tokio::select! {
            () = &mut up => if self.fault.get() != Some(&Fault::Cut) { down.await },
            () = &mut down => {}
        }
    }

    async fn copy(&self, way: Way, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
        let mut carried = 0;
        let mut chunk = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut chunk).await {
            // Recorded before it is passed on: nothing gets through unseen.
            self.keep(way, &chunk[..length]);
            carried += length;
            while way == Way::Up && carried > HELD_AFTER_BYTES && self.wire.is_holding() {
                tokio::time::sleep(POLL).await;
            }
            let passed = self.suffer(way, length);
            if to.write_all(&chunk[..passed]).await.is_err() {
                return;
            }
            match self.fault.get() {
                Some(Fault::Cut) => return,
                Some(Fault::Hang) => pending().await,
                Some(Fault::Mute) | None => {}
            }
        }
        if self.fault.get().is_some() {
            return pending().await;
        }
        let _ = to.shutdown().await;
    }

    fn keep(&self, way: Way, bytes: &[u8]) {
        let mut record = self.wire.record();
        let kept = match way {
            Way::Up => &mut record.sent,
            Way::Down => &mut record.received,
        };
        kept[self.index].extend_from_slice(bytes);
    }

    /// How many of so many bytes are passed on that way.
    fn suffer(&self, way: Way, length: usize) -> usize {
        let before = match self.fault.get() {
            Some(_) => 0,
            None => match self.wire.meets(way, length) {
                None => return length,
                Some((before, fault)) => {
                    let _ = self.fault.set(fault);
                    before
                }
            },
        };
        match (way, self.fault.get()) {
            (Way::Up, Some(Fault::Mute)) => length,
            _ => before,
        }
    }
}
