//! What files of others reach, for the fuzz targets: whether it was taken.

use age::secrecy::SecretString;

use crate::pictures::{Bounds, decode};
use crate::{age_file, key_file, words};

/// A key file.
pub fn key_file(bytes: &[u8]) -> bool {
    key_file::parse(bytes).is_ok()
}

/// A backup under the passphrase `horse` that asks for at most 2^6 blocks of work.
pub fn age_file(bytes: &[u8]) -> bool {
    age_file::open_within(bytes, SecretString::from("horse".to_owned()), 6).is_ok()
}

/// The words of a key.
pub fn words(text: &str) -> bool {
    words::parse(text).is_ok()
}

/// A picture of at most so many pixels along one side, for which decoding may take so many bytes.
pub fn picture(bytes: &[u8], side: u32, decoded_bytes: u64) -> bool {
    let bounds = Bounds {
        side,
        decoded_bytes,
    };
    decode(bytes, bounds).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;
    use std::path::Path;

    use age::scrypt::Recipient;
    use image::{ImageFormat, RgbImage};

    use super::*;

    #[test]
    #[ignore = "writes seeds for the fuzz targets"]
    fn write_seeds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
        let write = |name: &str, bytes: &[u8]| {
            let file = seeds.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        };
        let image = RgbImage::from_fn(9, 7, |x, y| [x * 25, y * 30, x * y].map(low).into());
        for format in ["png", "jpeg", "webp", "bmp", "gif"] {
            let mut file = Cursor::new(Vec::new());
            let kind = ImageFormat::from_extension(format).unwrap();
            image.write_to(&mut file, kind).unwrap();
            let cut = &file.get_ref()[..file.get_ref().len() / 2];
            write(&format!("picture/read-{format}"), file.get_ref());
            write(&format!("picture/cut-{format}"), cut);
        }
        let mut recipient = Recipient::new(SecretString::from("horse".to_owned()));
        recipient.set_work_factor(2);
        let plains = [
            ("read-key", format!("darkroom key 1\n{}\n", "07".repeat(32))),
            ("other", "darkroom key 2\n00\n".to_owned()),
        ];
        for (name, plain) in plains {
            let file = age::encrypt(&recipient, plain.as_bytes()).unwrap();
            write(&format!("age_file/{name}"), &file);
            write(&format!("age_file/cut-{name}"), &file[..file.len() - 3]);
        }
    }

    fn low(value: u32) -> u8 {
        u8::try_from(value & 0xff).unwrap()
    }
}
