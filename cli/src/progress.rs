//! What is being done, on standard error, for anything that takes longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_secs(1);
/// Without a terminal, the same words are said again only so often.
const QUIET_TICKS: u32 = 15;

/// A line that is kept up to date while this lives.
pub struct Progress {
    now: Arc<Mutex<Now>>,
    /// Gone when the line is to end.
    ends: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Now {
    /// Told at once when it changes.
    doing: String,
    /// How far it is.
    detail: String,
}

impl Progress {
    /// Begins.
    pub fn begin(doing: &str) -> Self {
        let (doing, detail) = (doing.to_owned(), String::new());
        let now = Arc::new(Mutex::new(Now { doing, detail }));
        let (ends, ended) = channel();
        let told = now.clone();
        let teller = std::thread::spawn(move || tell(&told, &ended));
        Self {
            now,
            ends: Some(ends),
            teller: Some(teller),
        }
    }

    /// What is being done now, and how far it is.
    pub fn set(&self, doing: &str, detail: String) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        doing.clone_into(&mut now.doing);
        now.detail = detail;
    }

    /// How far it is.
    pub fn detail(&self, detail: String) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.detail = detail;
    }

    /// Prints something else without leaving pieces of the line behind it.
    pub fn clear(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(teller) = self.teller.take() {
            let _ = teller.join();
        }
        self.clear();
    }
}

fn tell(now: &Mutex<Now>, ended: &Receiver<()>) {
    let begun = Instant::now();
    let (mut said, mut quiet) = (String::new(), 0);
    while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let Now { doing, detail } = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seconds = begun.elapsed().as_secs();
        quiet += 1;
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{doing}{detail} ({seconds} s)");
            let _ = std::io::stderr().flush();
        } else if doing != said || quiet >= QUIET_TICKS {
            eprintln!("{doing}{detail} ({seconds} s)");
            (said, quiet) = (doing, 0);
        }
    }
}
