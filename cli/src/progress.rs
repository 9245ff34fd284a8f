//! What is being done, on standard error, for anything that takes longer than a second.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at};

const TICK: Duration = Duration::from_secs(1);
/// Without a terminal, the same words are said again only so often.
const QUIET_TICKS: u32 = 15;

/// A line that is kept up to date while this lives.
pub struct Progress {
    now: Arc<Mutex<String>>,
    teller: JoinHandle<()>,
}

impl Progress {
    /// Begins, inside a runtime.
    pub fn begin(doing: &str) -> Self {
        let now = Arc::new(Mutex::new(doing.to_owned()));
        let teller = tokio::spawn(tell(now.clone()));
        Self { now, teller }
    }

    /// What is being done now.
    pub fn set(&self, doing: String) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = doing;
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
        self.teller.abort();
        self.clear();
    }
}

async fn tell(now: Arc<Mutex<String>>) {
    let begun = Instant::now();
    let mut ticks = interval_at(begun + TICK, TICK);
    let (mut said, mut quiet) = (String::new(), 0);
    loop {
        ticks.tick().await;
        let doing = now.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seconds = begun.elapsed().as_secs();
        quiet += 1;
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{doing} ({seconds} s)");
            let _ = std::io::stderr().flush();
        } else if doing != said || quiet >= QUIET_TICKS {
            eprintln!("{doing} ({seconds} s)");
            (said, quiet) = (doing, 0);
        }
    }
}
