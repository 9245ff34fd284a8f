//! A small network at the real parameters, and its evaluation key, made once for all tests.

use std::sync::OnceLock;

use darkroom_api::header::Header;
use darkroom_fhe::eval::clear;
use darkroom_fhe::model::Model;
use darkroom_fhe::picture::Pixels;
use serde_json::Value;

use crate::support::{Desk, npy};

/// Its parameter set.
pub const NETWORK: u32 = 2;
const SIDE: u32 = 8;

/// A key file and the evaluation key made of it.
pub struct Keys {
    pub key: Vec<u8>,
    pub evaluation_key: Vec<u8>,
}

pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let desk = Desk::with_key();
        write_network(&desk);
        let ran = desk.ok(&[
            "evaluation-key",
            "--key",
            "key",
            "--model",
            "halves",
            "-o",
            "ek",
        ]);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("is in ek: ") && ran.stderr.contains(" MB"));
        Keys {
            key: desk.read("key"),
            evaluation_key: desk.read("ek"),
        }
    })
}

/// A desk with the network, a picture, its encryption, the key and the evaluation key.
pub fn desk() -> Desk {
    let desk = Desk::new();
    write_network(&desk);
    desk.write("key", &keys().key);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(desk.path("key"), private).unwrap();
    }
    desk.write("ek", &keys().evaluation_key);
    desk.write("picture.npy", &picture_npy(&picture(200, 40)));
    desk.ok(&[
        "encrypt",
        "--key",
        "key",
        "--model",
        "halves",
        "picture.npy",
        "-o",
        "ct",
    ]);
    desk
}

/// Tells whether the left or the upper half is brighter: two units and three classes.
fn write_network(desk: &Desk) {
    std::fs::create_dir(desk.path("halves")).unwrap();
    let form = "title = \"Halves\"\npurpose = \"Tells which half is brighter.\"\n\
        classes = [\"left\", \"upper\", \"neither\"]\n\
        [input]\nwidth = 8\nheight = 8\nscale = 255\n\
        [[layers]]\nkind = \"linear\"\nweights = \"w.npy\"\n\
        [[layers]]\nkind = \"lookup\"\ncoefficients = \"c.npy\"\nbias = \"c0.npy\"\n";
    desk.write("halves/model.toml", form.as_bytes());
    let side = |before: bool| if before { 0.05 } else { -0.05 };
    let pixels = (0..64_u32).flat_map(|i| [side(i % 8 < 4), side(i / 8 < 4)]);
    let numbers = |numbers: Vec<f64>| numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    desk.write(
        "halves/w.npy",
        &npy("<f8", "(64, 2)", numbers(pixels.collect())),
    );
    // A unit after the other: sine and cosine, a number a class each.
    let left = [[4.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let upper = [[-1.0, 4.0, 0.0], [0.0, 0.0, 1.0]];
    let coefficients = [left, upper].concat().concat();
    desk.write(
        "halves/c.npy",
        &npy("<f8", "(2, 2, 3)", numbers(coefficients)),
    );
    desk.write("halves/c0.npy", &npy("<f8", "(3,)", numbers(vec![0.0; 3])));
}

/// A picture with a left and an upper half of their own brightness.
pub fn picture(left: u8, upper: u8) -> Vec<u8> {
    let pixel = |i: u32| {
        let (left, upper) = (u8::from(i % 8 < 4) * left, u8::from(i / 8 < 4) * upper);
        left / 2 + upper / 2
    };
    (0..SIDE * SIDE).map(pixel).collect()
}

fn picture_npy(pixels: &[u8]) -> Vec<u8> {
    npy("|u1", "(8, 8)", pixels.to_vec())
}

pub fn twin(desk: &Desk, pixels: &[u8]) -> darkroom_fhe::Answer {
    let form = String::from_utf8(desk.read("halves/model.toml")).unwrap();
    let mut read = |name: &str| std::fs::read(desk.path(&format!("halves/{name}")));
    let model = Model::load("halves", &form, &mut read).unwrap();
    clear::evaluate(&model, &Pixels::new(SIDE, SIDE, pixels.to_vec()).unwrap()).unwrap()
}

/// The objects in an evaluation key.
pub fn objects(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = file;
    let mut objects = Vec::new();
    while !rest.is_empty() {
        let whole = Header::parse(rest).unwrap().object_bytes().unwrap();
        let (object, after) = rest.split_at(usize::try_from(whole).unwrap());
        objects.push(object);
        rest = after;
    }
    objects
}

/// Computes with this evaluation key, and decrypts.
pub fn label(desk: &Desk, evaluation_key: &str) -> String {
    answer(desk, evaluation_key, "2")["label"]
        .as_str()
        .unwrap()
        .to_owned()
}

pub fn answer(desk: &Desk, evaluation_key: &str, threads: &str) -> Value {
    desk.ok(&[
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        evaluation_key,
        "--threads",
        threads,
        "ct",
        "-o",
        "result",
    ]);
    let decrypt = [
        "decrypt", "--key", "key", "--model", "halves", "result", "--json",
    ];
    desk.ok(&decrypt).lines().remove(0)
}
