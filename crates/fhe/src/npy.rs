//! Arrays as NumPy writes them, read by npyz. Never pickle.

use npyz::{NpyFile, Order};

/// The longest header that is read. `np.save` writes 118 bytes.
const HEADER_BYTES_MAX: usize = 1024;
/// The most numbers in an array.
const NUMBERS_MAX: usize = 1 << 28;

/// An array whose header is read and found sensible. Errors are sentences for people.
pub(crate) struct Npy<'a> {
    file: NpyFile<&'a [u8]>,
    shape: Vec<usize>,
    data_bytes: usize,
}

impl<'a> Npy<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let (header, data_bytes) = split(bytes)?;
        let shape = shape_of(header)?;
        let file = NpyFile::new(bytes).map_err(|error| format!("not a .npy file: {error}"))?;
        if file.shape().len() != shape.len() {
            return Err("the shape in its header cannot be read".to_owned());
        }
        Ok(Self {
            file,
            shape,
            data_bytes,
        })
    }

    pub(crate) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All bytes, the last axis fastest.
    pub(crate) fn into_u8(self) -> Result<Vec<u8>, String> {
        let found = self.file.dtype().descr();
        self.read::<u8>(1)
            .map_err(|error| error.unwrap_or(format!("an array of type {found}, not uint8")))
    }

    /// All numbers, the last axis fastest; float32 or float64 in either byte order.
    pub(crate) fn into_f64(self) -> Result<Vec<f64>, String> {
        let found = self.file.dtype().descr();
        let wide = self.file.dtype().num_bytes() == Some(8);
        let read = if wide {
            self.read::<f64>(8)
        } else {
            self.read::<f32>(4)
                .map(|values| values.into_iter().map(f64::from).collect())
        };
        read.map_err(|error| {
            error.unwrap_or(format!("an array of type {found}, not float32 or float64"))
        })
    }

    /// All numbers, the last axis fastest; integers of any width, in either byte order.
    pub(crate) fn into_i64(self) -> Result<Vec<i64>, String> {
        let dtype = self.file.dtype();
        let found = dtype.descr();
        let signed = found.contains('i');
        let read = match (dtype.num_bytes(), signed) {
            (Some(1), false) => self.read::<u8>(1).map(widened),
            (Some(1), true) => self.read::<i8>(1).map(widened),
            (Some(2), false) => self.read::<u16>(2).map(widened),
            (Some(2), true) => self.read::<i16>(2).map(widened),
            (Some(4), false) => self.read::<u32>(4).map(widened),
            (Some(4), true) => self.read::<i32>(4).map(widened),
            (Some(8), true) => self.read::<i64>(8),
            (Some(8), false) => self.read::<u64>(8).and_then(|values| {
                let narrow = |&value: &u64| i64::try_from(value);
                let values: Result<Vec<i64>, _> = values.iter().map(narrow).collect();
                values.map_err(|_| Some("a number above 2^63".to_owned()))
            }),
            _ => Err(None),
        };
        read.map_err(|error| error.unwrap_or(format!("an array of type {found}, not of integers")))
    }

    /// Reads the numbers; `Err(None)` if the array is of another type.
    fn read<T: npyz::Deserialize + Copy>(self, bytes: usize) -> Result<Vec<T>, Option<String>> {
        let (shape, order) = (self.shape, self.file.order());
        let expected = shape.iter().product::<usize>() * bytes;
        let values = self.file.data::<T>().map_err(|_| None)?;
        if self.data_bytes != expected {
            let found = self.data_bytes;
            return Err(Some(format!(
                "{found} bytes of numbers, expected {expected}"
            )));
        }
        let numbers: Result<Vec<T>, _> = values.collect();
        let numbers = numbers.map_err(|error| Some(error.to_string()))?;
        Ok(match order {
            Order::C => numbers,
            Order::Fortran => last_axis_fastest(&numbers, &shape),
        })
    }
}

fn widened<T: Into<i64>>(values: Vec<T>) -> Vec<i64> {
    values.into_iter().map(Into::into).collect()
}

/// Turns an array whose first axis is fastest.
fn last_axis_fastest<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
    let place = |mut index: usize| {
        let mut offset = 0;
        let mut behind = values.len();
        for &length in shape.iter().rev() {
            behind /= length;
            offset += index % length * behind;
            index /= length;
        }
        offset
    };
    (0..values.len())
        .map(|index| values[place(index)])
        .collect()
}

/// The text of the header, short enough to be parsed, and how many bytes follow it.
fn split(bytes: &[u8]) -> Result<(&str, usize), String> {
    let not_npy = || "not a .npy file as np.save writes it".to_owned();
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(not_npy());
    }
    let (start, length) = match bytes.get(6..12).ok_or_else(not_npy)? {
        [1, _, low, high, ..] => (10, usize::from(u16::from_le_bytes([*low, *high]))),
        [_, _, a, b, c, d] => (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize),
        _ => return Err(not_npy()),
    };
    if length > HEADER_BYTES_MAX {
        return Err(format!("a header of {length} bytes"));
    }
    let end = start + length;
    let text = bytes.get(start..end).ok_or_else(not_npy)?;
    let text = std::str::from_utf8(text).map_err(|_| not_npy())?;
    Ok((text, bytes.len() - end))
}

/// The shape in a header, found without npyz, which overflows on enormous ones and follows any
/// nesting of brackets.
fn shape_of(header: &str) -> Result<Vec<usize>, String> {
    let unusual = || "an array of structures, or a header that np.save does not write".to_owned();
    let brackets = header.matches(['{', '(', '[']).count();
    if brackets != 2 || header.contains('\\') || header.matches("shape").count() != 1 {
        return Err(unusual());
    }
    let (_, shape) = header.split_once('(').ok_or_else(unusual)?;
    let (shape, _) = shape.split_once(')').ok_or_else(unusual)?;
    let sides = shape
        .split(',')
        .map(str::trim)
        .filter(|side| !side.is_empty());
    let shape: Option<Vec<usize>> = sides.map(|side| side.parse().ok()).collect();
    let shape = shape.ok_or_else(unusual)?;
    let numbers = shape
        .iter()
        .try_fold(1_usize, |n, &side| n.checked_mul(side));
    match numbers {
        Some(1..=NUMBERS_MAX) => Ok(shape),
        _ => Err(format!("an array of shape {shape:?}")),
    }
}
