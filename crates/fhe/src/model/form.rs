//! The form of `model.toml`.

use serde::{Deserialize, Serialize};

use super::load::FORM;
use crate::Error;
use crate::picture::Frame;
use crate::wire::{CLASSES_MAX, shape_allowed};

const TEXT_BYTES_MAX: usize = 1 << 16;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    pub(super) title: String,
    pub(super) purpose: String,
    pub(super) classes: Vec<String>,
    pub(super) notice: Option<String>,
    pub(super) provenance: Option<String>,
    pub(super) licence: Option<String>,
    pub(super) input: Input,
    pub(super) layers: Vec<Layer>,
    #[serde(default)]
    pub(super) output: Output,
    pub(super) accuracy: Option<Accuracy>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Input {
    pub(super) width: u32,
    pub(super) height: u32,
    #[serde(default = "white")]
    pub(super) scale: f64,
    #[serde(default = "one")]
    pub(super) pooling: u32,
    #[serde(default)]
    pub(super) straighten: bool,
}

impl Input {
    pub(super) fn frame(&self) -> Frame {
        Frame {
            width: self.width,
            height: self.height,
            straighten: self.straighten,
        }
    }
}

fn white() -> f64 {
    255.0
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layer {
    pub(super) kind: String,
    pub(super) bias: Option<toml::Value>,
    // Of a linear layer.
    pub(super) weights: Option<String>,
    // Of a lookup layer.
    pub(super) range: Option<f64>,
    pub(super) coefficients: Option<String>,
    pub(super) tables: Option<String>,
    pub(super) function: Option<String>,
    pub(super) measured: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Output {
    pub(super) range: Option<toml::Value>,
    pub(super) tolerance: Option<f64>,
}

/// What was measured of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Share of images told right, 0 to 1.
    pub value: f64,
    /// The mean over the classes of the share told right, where classes are uneven.
    pub balanced: Option<f64>,
    /// On how many images that were not trained on.
    pub images: u64,
    /// Which images those were.
    pub data: String,
}

impl Form {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            let reason = format!("{} bytes", text.len());
            return Err(Error::model(FORM, reason, "at most 64 KiB are read"));
        }
        let form: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| {
                text.bytes()
                    .take(span.start)
                    .filter(|b| *b == b'\n')
                    .count()
                    + 1
            });
            let place = format!("{FORM}, line {line}");
            let mend = "docs/MODELS.md lists what may stand there";
            Error::model(place, error.message().trim().replace('\n', "; "), mend)
        })?;
        form.check_texts()?;
        form.check_classes()?;
        form.input.check()?;
        form.check_accuracy()?;
        Ok(form)
    }

    fn check_texts(&self) -> Result<(), Error> {
        let texts = [
            ("title", Some(&self.title), 80),
            ("purpose", Some(&self.purpose), 400),
            ("notice", self.notice.as_ref(), 300),
            ("provenance", self.provenance.as_ref(), 2000),
            ("licence", self.licence.as_ref(), 200),
        ];
        for (name, text, bytes_max) in texts {
            let Some(text) = text else { continue };
            check_text(&format!("{FORM}, {name}"), text, bytes_max)?;
        }
        Ok(())
    }

    fn check_classes(&self) -> Result<(), Error> {
        let place = format!("{FORM}, classes");
        if !(2..=CLASSES_MAX).contains(&self.classes.len()) {
            let reason = format!("{} classes", self.classes.len());
            return Err(Error::model(
                place,
                reason,
                format!("name 2 to {CLASSES_MAX}"),
            ));
        }
        for (i, class) in self.classes.iter().enumerate() {
            check_text(&place, class, 64)?;
            if self.classes[..i].contains(class) {
                let reason = format!("{class:?} stands there twice");
                return Err(Error::model(
                    place,
                    reason,
                    "give every class a name of its own",
                ));
            }
        }
        Ok(())
    }

    fn check_accuracy(&self) -> Result<(), Error> {
        let Some(accuracy) = &self.accuracy else {
            return Ok(());
        };
        let place = format!("{FORM}, [accuracy]");
        check_text(&place, &accuracy.data, 400)?;
        let shares = [Some(accuracy.value), accuracy.balanced];
        for share in shares.into_iter().flatten() {
            if !(0.0..=1.0).contains(&share) {
                let mend = "write shares from 0 to 1";
                return Err(Error::model(place, format!("a share of {share}"), mend));
            }
        }
        if accuracy.images == 0 {
            let mend = "leave the table out if nobody measured";
            return Err(Error::model(place, "measured on no image", mend));
        }
        Ok(())
    }
}

impl Layer {
    /// The weights of a layer that may be linear alone.
    pub(super) fn linear_weights(&self, place: &str) -> Result<&str, Error> {
        let foreign = [
            ("range", self.range.is_some()),
            ("coefficients", self.coefficients.is_some()),
            ("tables", self.tables.is_some()),
            ("function", self.function.is_some()),
            ("measured", self.measured.is_some()),
        ];
        if let Some((field, _)) = foreign.into_iter().find(|(_, given)| *given) {
            let mend = "it is one of lookup layers: take it out, or make this one";
            return Err(Error::model(
                place,
                format!("{field} in a linear layer"),
                mend,
            ));
        }
        self.weights.as_deref().ok_or_else(|| {
            let mend = "name a NumPy file: weights = \"w.npy\"";
            Error::model(place, "a linear layer without weights", mend)
        })
    }

    /// Refuses what only linear layers have.
    pub(super) fn check_lookup(&self, place: &str) -> Result<(), Error> {
        if self.weights.is_none() {
            return Ok(());
        }
        let mend = "it is one of linear layers: give coefficients, tables or a function";
        Err(Error::model(place, "weights in a lookup layer", mend))
    }
}

impl Input {
    fn check(&self) -> Result<(), Error> {
        let place = format!("{FORM}, [input]");
        let (width, height, pooling) = (self.width, self.height, self.pooling);
        if !shape_allowed(width, height) {
            let reason = format!("{width}x{height} pixels");
            let mend = "1 to 4096 a side and at most 1048576 in all are possible";
            return Err(Error::model(place, reason, mend));
        }
        if pooling == 0 || width % pooling != 0 || height % pooling != 0 {
            let reason = format!("{width}x{height} pixels are not whole boxes of {pooling}");
            let mend = "let pooling divide width and height";
            return Err(Error::model(place, reason, mend));
        }
        if !(self.scale.is_finite() && (1e-6..=1e6).contains(&self.scale)) {
            let reason = format!("scale = {}", self.scale);
            let mend = "give the pixel value that stands for 1, such as 255";
            return Err(Error::model(place, reason, mend));
        }
        Ok(())
    }
}

fn check_text(place: &str, text: &str, bytes_max: usize) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::model(place, "an empty text", "write one"));
    }
    if text.len() > bytes_max {
        let reason = format!("a text of {} bytes", text.len());
        return Err(Error::model(
            place,
            reason,
            format!("at most {bytes_max} are possible"),
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::model(
            place,
            "control characters",
            "write it on one line",
        ));
    }
    Ok(())
}
