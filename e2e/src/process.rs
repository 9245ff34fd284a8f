//! Child processes with their output in a file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long a child may take to say that it is there, and to stop.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running child. Killed on drop.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    /// Where this child's own output begins in the log.
    begins: usize,
}

impl Process {
    /// Starts a program; its output is added to `log`.
    ///
    /// # Errors
    /// The program is not there, or the log cannot be written.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let begins = std::fs::read(log).map_or(0, |bytes| bytes.len());
        let file: File = OpenOptions::new().create(true).append(true).open(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("could not start {command:?}"))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            begins,
        })
    }

    /// Waits until the child has printed a line with `mark` in it and returns what follows there.
    ///
    /// # Errors
    /// The child died or kept silent.
    pub async fn said(&mut self, mark: &str) -> Result<String> {
        let began = Instant::now();
        loop {
            let log = self.log();
            // A line counts when it is complete.
            let complete = log.rfind('\n').map_or("", |end| &log[..end]);
            if let Some((_, rest)) = complete.split_once(mark) {
                return Ok(rest.lines().next().unwrap_or_default().trim().to_owned());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the child died ({status}):\n{log}");
            }
            if began.elapsed() > PATIENCE {
                bail!("the child does not say {mark:?}:\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All that it printed so far.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.begins..).unwrap_or_default()).into_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What Linux says of its memory, in MiB: `VmRSS` is what it holds, `VmHWM` the most that it
    /// ever held.
    ///
    /// # Errors
    /// It does not run.
    pub fn memory_mib(&self, field: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let lines = status.lines();
        let mut value = lines.filter_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = value.next().and_then(|line| line.split_whitespace().next());
        let kib: f64 = kib.context("no such figure")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// The processor time that it has used, in seconds.
    ///
    /// # Errors
    /// It does not run.
    pub fn processor_s(&self) -> Result<f64> {
        processor_s(self.id())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Ends it at once, as `kill -9` does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Holds it still as it is, as a machine does that is suspended, or lets it go on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn hold_still(&self, still: bool) -> Result<()> {
        let signal = if still { Signal::STOP } else { Signal::CONT };
        self.signal(signal)
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It does not stop, or ends with an error.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("ended badly ({status}):\n{}", self.log()),
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        bail!("does not stop:\n{}", self.log())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.child.id())?);
        kill_process(id.context("a process without an id")?, signal)?;
        Ok(())
    }
}

/// The processor time that a process has used, in seconds.
///
/// # Errors
/// It does not run.
pub fn processor_s(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // After the name, which may hold anything, the 12th and 13th field are user and system time.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

impl Drop for Process {
    fn drop(&mut self) {
        // Dead already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
