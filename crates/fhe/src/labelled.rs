//! Pictures with what they show, to measure a model by.

use crate::Error;
use crate::npy::Npy;
use crate::npz::Npz;
use crate::picture::Pixels;

/// The names of the two arrays, in the order in which they are looked for.
const ARRAYS: [(&str, &str); 2] = [("images", "labels"), ("val_images", "val_labels")];
/// The largest array, unpacked.
const ARRAY_BYTES_MAX: u64 = 1 << 30;

/// Pictures of one shape, each with the number of its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    images: Vec<Pixels>,
    labels: Vec<usize>,
}

impl Labelled {
    /// Pictures and labels from a NumPy archive.
    ///
    /// Shapes: `images` uint8 (n, height, width), `labels` integers (n,) counting from 0; or
    /// `val_images` and `val_labels`.
    ///
    /// # Errors
    /// [`Error::Data`] for anything else.
    pub fn from_npz(bytes: &[u8]) -> Result<Self, Error> {
        read(bytes).map_err(|reason| Error::Data { reason })
    }

    /// The pictures.
    pub fn images(&self) -> &[Pixels] {
        &self.images
    }

    /// The class of each picture.
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }
}

fn read(bytes: &[u8]) -> Result<Labelled, String> {
    let mut npz = Npz::parse(bytes)?;
    let found = ARRAYS.iter().find(|(images, _)| npz.has(images));
    let Some((images, labels)) = found else {
        let names = npz.names();
        return Err(format!(
            "neither images nor val_images is in it, but {names}; write it with \
             np.savez(file, images=..., labels=...)"
        ));
    };
    let images = pictures(images, &npz.unpack(images, ARRAY_BYTES_MAX)?)?;
    let labels = classes(labels, &npz.unpack(labels, ARRAY_BYTES_MAX)?)?;
    if images.len() != labels.len() {
        let (images, labels) = (images.len(), labels.len());
        return Err(format!("{images} pictures and {labels} labels"));
    }
    Ok(Labelled { images, labels })
}

fn pictures(name: &str, npy: &[u8]) -> Result<Vec<Pixels>, String> {
    let wrong = |reason: String| format!("{name}: {reason}");
    let npy = Npy::parse(npy).map_err(wrong)?;
    let [_, height, width] = *npy.shape() else {
        let shape = npy.shape();
        return Err(wrong(format!(
            "an array of shape {shape:?}, not (pictures, height, width)"
        )));
    };
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let bytes = npy.into_u8().map_err(wrong)?;
    let pixels = bytes.chunks_exact(height * width);
    let pixels = pixels.map(|pixels| Pixels::new(side(width), side(height), pixels.to_vec()));
    let pixels: Result<_, Error> = pixels.collect();
    pixels.map_err(|error| wrong(error.to_string()))
}

fn classes(name: &str, npy: &[u8]) -> Result<Vec<usize>, String> {
    let wrong = |reason: String| format!("{name}: {reason}");
    let npy = Npy::parse(npy).map_err(wrong)?;
    if let shape @ ([] | [_, _, ..]) = npy.shape() {
        return Err(wrong(format!(
            "an array of shape {shape:?}, not (pictures,)"
        )));
    }
    let numbers = npy.into_i64().map_err(wrong)?;
    let class = |&number: &i64| {
        usize::try_from(number).map_err(|_| wrong(format!("a label of {number}; they start at 0")))
    };
    numbers.iter().map(class).collect()
}
