//! Pictures and labels from archives as NumPy writes them.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Cursor, Write};

use darkroom_fhe::{Error, Labelled};
use support::npy;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use zip::write::SimpleFileOptions;

/// As `np.savez_compressed` writes it.
fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let name = format!("{name}.npy");
        archive
            .start_file(name, SimpleFileOptions::default())
            .unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn pictures(count: u8) -> Vec<u8> {
    let shape = format!("({count}, 2, 3)");
    npy("|u1", false, &shape, (0..6 * count).collect())
}

fn labels(dtype: &str, numbers: &[Vec<u8>]) -> Vec<u8> {
    npy(
        dtype,
        false,
        &format!("({},)", numbers.len()),
        numbers.concat(),
    )
}

fn refused(arrays: &[(&str, Vec<u8>)], words: &str) {
    let error = Labelled::from_npz(&npz(arrays)).unwrap_err();
    assert!(matches!(error, Error::Data { .. }), "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn labels_may_be_integers_of_any_width() {
    let of = |dtype: &str, bytes: fn(u8) -> Vec<u8>| labels(dtype, &[7, 0, 255].map(bytes));
    for labels in [
        of("|u1", |n| vec![n]),
        of("<i2", |n| i16::from(n).to_le_bytes().to_vec()),
        of(">i2", |n| i16::from(n).to_be_bytes().to_vec()),
        of("<u2", |n| u16::from(n).to_le_bytes().to_vec()),
        of("<i4", |n| i32::from(n).to_le_bytes().to_vec()),
        of("<u4", |n| u32::from(n).to_le_bytes().to_vec()),
        of("<i8", |n| i64::from(n).to_le_bytes().to_vec()),
        of("<u8", |n| u64::from(n).to_le_bytes().to_vec()),
        of(">u8", |n| u64::from(n).to_be_bytes().to_vec()),
    ] {
        let file = npz(&[("labels", labels), ("images", pictures(3))]);
        let set = Labelled::from_npz(&file).unwrap();
        assert_eq!(set.labels(), [7, 0, 255]);
        assert_eq!(set.images().len(), 3);
        let last = &set.images()[2];
        assert_eq!((last.width(), last.height()), (3, 2));
        assert_eq!(last.as_bytes(), [12, 13, 14, 15, 16, 17]);
    }
}

#[test]
fn the_plain_names_come_before_those_of_a_part() {
    let one = || labels("|u1", &[vec![1]]);
    let part = [("val_images", pictures(1)), ("val_labels", one())];
    let set = Labelled::from_npz(&npz(&part)).unwrap();
    assert_eq!(set.labels(), [1]);
    let both = [
        ("images", pictures(2)),
        ("labels", labels("|u1", &[vec![3], vec![4]])),
        ("val_images", pictures(1)),
        ("val_labels", one()),
    ];
    assert_eq!(Labelled::from_npz(&npz(&both)).unwrap().labels(), [3, 4]);
}

#[test]
fn other_archives_are_refused_with_what_is_wrong() {
    let two = || labels("|u1", &[vec![1], vec![2]]);
    refused(&[("x", pictures(2)), ("y", two())], "but x, y;");
    refused(&[("images", pictures(2))], "\"labels\" cannot be unpacked");
    let images = |npy| [("images", npy), ("labels", two())];
    refused(&images(pictures(3)), "3 pictures and 2 labels");
    let flat = npy("|u1", false, "(2, 6)", vec![0; 12]);
    refused(&images(flat), "not (pictures, height, width)");
    let float = npy("<f4", false, "(2, 1, 1)", vec![0; 8]);
    refused(&images(float), "not uint8");
    let wide = npy("|u1", false, "(2, 1, 20000)", vec![0; 40_000]);
    refused(&images(wide), "16384 a side");
    refused(&images(b"hello".to_vec()), "images: not a .npy file");
    let labelled = |npy| [("images", pictures(2)), ("labels", npy)];
    let negative = labels("|i1", &[vec![255], vec![0]]);
    refused(&labelled(negative), "a label of -1");
    let float = npy("<f4", false, "(2,)", vec![0; 8]);
    refused(&labelled(float), "not of integers");
    let huge = labels("<u8", &[vec![255; 8], vec![0; 8]]);
    refused(&labelled(huge), "above 2^63");
    let column = npy("|u1", false, "(2, 1)", vec![0, 1]);
    refused(&labelled(column), "not (pictures,)");
    let error = Labelled::from_npz(b"hello").unwrap_err();
    assert!(error.to_string().contains("not an archive"), "{error}");
}
