//! What is printed.

use std::error::Error as StdError;
use std::io::{self, Write};

use darkroom_fhe::Answer;
use serde::{Serialize, Serializer};

use crate::error::Error;
use crate::vault;

/// An answer in JSON: the same members wherever one is printed.
#[derive(Debug, Serialize)]
pub struct AnswerJson<'a> {
    /// The most probable class.
    label: &'a str,
    /// Class to probability, in the model's order.
    #[serde(serialize_with = "by_class")]
    probabilities: &'a Answer,
    /// As the model makes them: one a class, or a single one for two classes.
    scores: &'a [f64],
    /// The model's warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a str>,
}

impl<'a> AnswerJson<'a> {
    /// Of this answer.
    pub fn new(answer: &'a Answer, notice: Option<&'a str>) -> Self {
        Self {
            label: &answer.label,
            probabilities: answer,
            scores: &answer.scores,
            notice,
        }
    }
}

fn by_class<S: Serializer>(answer: &&Answer, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(answer.classes.iter().zip(&answer.probabilities))
}

/// Prints one JSON object on a line of its own.
pub fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints an answer.
pub fn answer(answer: &Answer, notice: Option<&str>, as_json: bool) -> io::Result<()> {
    if as_json {
        return json(&AnswerJson::new(answer, notice));
    }
    let mut out = io::stdout().lock();
    writeln!(out, "{}", one_line(answer))?;
    bars(&mut out, answer)?;
    if let Some(notice) = notice {
        writeln!(out, "{notice}")?;
    }
    out.flush()
}

/// The label and its probability.
pub fn one_line(answer: &Answer) -> String {
    let probability = answer.probabilities.get(answer.class).copied();
    format!(
        "{} ({:.1} %)",
        answer.label,
        100.0 * probability.unwrap_or(0.0)
    )
}

/// A line a class, and the scores.
fn bars(out: &mut impl Write, answer: &Answer) -> io::Result<()> {
    let widest = answer
        .classes
        .iter()
        .map(|class| class.chars().count())
        .max();
    let widest = widest.unwrap_or(0);
    for (class, probability) in answer.classes.iter().zip(&answer.probabilities) {
        writeln!(out, "  {class:widest$}  {:6.2} %", 100.0 * probability)?;
    }
    let scores: Vec<String> = answer
        .scores
        .iter()
        .map(|score| format!("{score:.5}"))
        .collect();
    writeln!(out, "  scores {}", scores.join(", "))
}

/// A size in thousands of bytes, rounded up, or in millions.
pub fn bytes(bytes: u64) -> String {
    let (unit, per_tenth) = if bytes < 1_000_000 {
        ("KB", 100)
    } else {
        ("MB", 100_000)
    };
    let tenths = bytes.div_ceil(per_tenth);
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// An error with everything that caused it and what to do, in one line.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let text = causes(error);
    let own = error.downcast_ref::<Error>();
    match own.and_then(Error::problem).and_then(vault::hint) {
        Some(hint) => format!("{text}; {hint}"),
        None => text,
    }
}

fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
