//! What is printed of a measurement.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::{Bench, Difference, Encrypted, Shares, Walk};
use crate::evaluation_key::Figures;
use crate::output;

/// The most differences that are listed for people; JSON has all.
const LISTED_MAX: usize = 20;

/// All that was measured.
pub struct Report<'a> {
    pub bench: &'a Bench,
    pub data: &'a Path,
    pub clear: &'a Walk,
    pub simulated: &'a Walk,
    /// Where simulated noise changes the label.
    pub apart: &'a [Difference],
    pub encrypted: Option<&'a Encrypted>,
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    digest: &'a str,
    data: String,
    bootstraps: u64,
    threads: usize,
    seed: u64,
    clear: Walked<'a>,
    simulated: Walked<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<EncryptedLine<'a>>,
}

/// Over all pictures.
#[derive(Serialize)]
struct Walked<'a> {
    #[serde(flatten)]
    shares: Shares,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<&'a [Difference]>,
}

#[derive(Serialize)]
struct EncryptedLine<'a> {
    #[serde(flatten)]
    shares: &'a Shares,
    /// Of the clear twin on the same pictures.
    clear_accuracy: f64,
    /// The share of labels that are the clear twin's.
    agreement: f64,
    /// Labels that differ though noise does not explain it.
    unexplained: usize,
    differences: &'a [Difference],
    wall_ms: f64,
    cpu_ms: f64,
    noise: f64,
    noise_predicted: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation_key: Option<&'a Figures>,
}

impl Report<'_> {
    pub fn print(&self, as_json: bool) -> io::Result<()> {
        if as_json {
            return output::json(&self.line());
        }
        let mut out = io::stdout().lock();
        self.text(&mut out)?;
        out.flush()
    }

    fn shares(&self, walk: &Walk) -> Shares {
        self.bench.shares(0..walk.answers.len(), &walk.answers)
    }

    fn line(&self) -> Line<'_> {
        let model = &self.bench.model;
        Line {
            model: model.id(),
            digest: model.digest(),
            data: self.data.display().to_string(),
            bootstraps: model.bootstraps(),
            threads: self.bench.threads,
            seed: self.bench.seed,
            clear: Walked {
                shares: self.shares(self.clear),
                seconds: self.clear.seconds,
                differences: None,
            },
            simulated: Walked {
                shares: self.shares(self.simulated),
                seconds: self.simulated.seconds,
                differences: Some(self.apart),
            },
            encrypted: self.encrypted.map(Encrypted::line),
        }
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        let (title, id) = (self.bench.model.title(), self.bench.model.id());
        writeln!(out, "{title} ({id}) on {}", self.data.display())?;
        row(out, "in the clear", &self.shares(self.clear))?;
        row(out, "with simulated noise", &self.shares(self.simulated))?;
        list(out, self.apart)?;
        if let Some(encrypted) = self.encrypted {
            encrypted.text(out, self.bench.threads)?;
        }
        Ok(())
    }
}

impl Encrypted {
    fn line(&self) -> EncryptedLine<'_> {
        let apart = self.apart.len();
        EncryptedLine {
            shares: &self.shares,
            clear_accuracy: self.clear.accuracy,
            agreement: 1.0 - apart as f64 / self.shares.pictures as f64,
            unexplained: self.apart.iter().filter(|one| !one.explained).count(),
            differences: &self.apart,
            wall_ms: self.wall_ms,
            cpu_ms: self.cpu_ms,
            noise: self.noise,
            noise_predicted: self.noise_predicted,
            evaluation_key: self.key.as_ref(),
        }
    }

    fn text(&self, out: &mut impl Write, threads: usize) -> io::Result<()> {
        row(out, "encrypted", &self.shares)?;
        row(out, "the same in the clear", &self.clear)?;
        list(out, &self.apart)?;
        let (noise, predicted) = (self.noise, self.noise_predicted);
        writeln!(
            out,
            "  noise of the scores {noise:.2e}, predicted {predicted:.2e}"
        )?;
        let (wall, cpu) = (self.wall_ms, self.cpu_ms);
        writeln!(
            out,
            "  a picture takes {wall:.1} ms, {cpu:.1} ms of processor time (medians, {threads} threads)"
        )?;
        if let Some(key) = &self.key {
            let (sent, held) = (output::bytes(key.bytes), output::bytes(key.memory_bytes));
            let (made, expanded) = (key.make_ms, key.expand_ms);
            writeln!(
                out,
                "  evaluation key: {sent} made in {made:.0} ms, {held} in memory after {expanded:.0} ms"
            )?;
        }
        Ok(())
    }
}

fn row(out: &mut impl Write, what: &str, shares: &Shares) -> io::Result<()> {
    let (accuracy, balanced) = (100.0 * shares.accuracy, 100.0 * shares.balanced_accuracy);
    let (right, pictures) = (shares.right, shares.pictures);
    writeln!(
        out,
        "  {what:22} {accuracy:6.2} %  balanced {balanced:6.2} %  {right} of {pictures}"
    )
}

fn list(out: &mut impl Write, apart: &[Difference]) -> io::Result<()> {
    match apart.len() {
        0 => return writeln!(out, "    every label is the clear twin's"),
        1 => writeln!(out, "    1 label is not the clear twin's:")?,
        many => writeln!(out, "    {many} labels are not the clear twin's:")?,
    }
    for one in apart.iter().take(LISTED_MAX) {
        let verdict = if one.explained {
            ""
        } else {
            ", NOT explained by noise"
        };
        writeln!(
            out,
            "      picture {} ({}): {} instead of {}, which led by {:.3}, {:.1} deviations of noise{verdict}",
            one.picture, one.truth, one.told, one.clear, one.margin, one.deviations
        )?;
    }
    if apart.len() > LISTED_MAX {
        writeln!(
            out,
            "      and {} more: --json has all",
            apart.len() - LISTED_MAX
        )?;
    }
    Ok(())
}
