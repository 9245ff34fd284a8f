use crate::support::{Desk, folder, sample_path};

fn computed(model: &str) -> Desk {
    let desk = Desk::with_key();
    desk.encrypted(model, "hand");
    desk.ok(&["compute", "--model", &folder(model), "ct", "-o", "result"]);
    desk
}

#[test]
fn another_key_is_told_before_anything_is_decrypted() {
    let desk = computed("scan-type");
    desk.ok(&["keygen", "--key", "other"]);
    let dir = folder("scan-type");
    desk.refused(
        &["decrypt", "--key", "other", "--model", &dir, "result"],
        "result belongs to key",
    );
}

#[test]
fn damaged_objects_are_refused_wherever_the_damage_is() {
    let desk = computed("scan-type");
    let dir = folder("scan-type");
    let compute = ["compute", "--model", &dir, "bad", "-o", "out"];
    let decrypt = ["decrypt", "--key", "key", "--model", &dir, "bad"];
    for (object, command) in [("ct", &compute[..]), ("result", &decrypt[..])] {
        let good = desk.read(object);
        for (length, words) in [
            (0, "ends within its header"),
            (71, "ends within its header"),
        ] {
            desk.write("bad", &good[..length]);
            desk.refused(command, words);
        }
        for length in [72, 100, good.len() - 1] {
            desk.write("bad", &good[..length]);
            desk.refused(command, "bytes of payload");
        }
        desk.write("bad", &[good.as_slice(), b"x"].concat());
        desk.refused(command, "bytes of payload");
        for (place, words) in [
            (0, "does not start with DARKROOM"),
            (8, "format version"),
            (12, "parameter set"),
            (40, "SHA-256"),
            (90, "SHA-256"),
            (good.len() - 1, "SHA-256"),
        ] {
            let mut bad = good.clone();
            bad[place] ^= 0x40;
            desk.write("bad", &bad);
            desk.refused(command, words);
        }
    }
}

#[test]
fn files_that_are_no_objects_are_refused() {
    let desk = computed("scan-type");
    let (dir, png) = (folder("scan-type"), sample_path("hand"));
    let compute = |file| ["compute", "--model", &dir, file, "-o", "out"];
    let decrypt = |file| ["decrypt", "--key", "key", "--model", &dir, file];
    desk.refused(&compute(&png), "does not start with DARKROOM");
    desk.refused(&decrypt(&png), "does not start with DARKROOM");
    desk.refused(&compute("result"), "expected Image, found Result");
    desk.refused(&decrypt("ct"), "expected Result, found Image");
    desk.refused(&compute("missing"), "missing cannot be read");
    desk.refused(&decrypt("missing"), "missing cannot be read");
    desk.refused(&compute("."), ". cannot be read");
}

#[test]
fn a_sound_header_does_not_make_a_payload() {
    use darkroom_api::header::{ObjectKind, ParameterSetId, open, seal};
    let desk = computed("scan-type");
    let dir = folder("scan-type");
    for (object, kind, command) in [
        (
            "ct",
            ObjectKind::Image,
            &["compute", "--model", &dir, "bad", "-o", "out"][..],
        ),
        (
            "result",
            ObjectKind::Result,
            &["decrypt", "--key", "key", "--model", &dir, "bad"][..],
        ),
    ] {
        let good = desk.read(object);
        let (header, payload) = open(&good, kind).unwrap();
        let longer = [payload, b"x"].concat();
        for payload in [&[][..], &payload[..payload.len() - 1], &longer, &[0xff; 40]] {
            desk.write("bad", &seal(kind, header.parameters, header.key, payload));
            desk.refused(command, "malformed");
        }
        desk.write("bad", &seal(kind, ParameterSetId(77), header.key, payload));
        desk.refused(command, "parameter set 77 is not known");
    }
}

#[test]
fn other_models_are_told() {
    let desk = computed("scan-type");
    let (small, large) = (folder("scan-type"), folder("chest-view"));
    desk.refused(
        &["compute", "--model", &large, "ct", "-o", "out"],
        "64x64 pixels, the model takes 128x128",
    );
    desk.refused(
        &["decrypt", "--key", "key", "--model", &large, "result"],
        "result of the model \"scan-type\"",
    );
    // The same name, other weights.
    std::fs::create_dir(desk.path("scan-type")).unwrap();
    for name in ["model.toml", "w.npy", "b.npy"] {
        std::fs::copy(
            format!("{small}/{name}"),
            desk.path(&format!("scan-type/{name}")),
        )
        .unwrap();
    }
    let mut weights = desk.read("scan-type/w.npy");
    let last = weights.len() - 2;
    weights[last] ^= 1;
    desk.write("scan-type/w.npy", &weights);
    desk.refused(
        &["decrypt", "--key", "key", "--model", "scan-type", "result"],
        "other files than those in the folder",
    );
}

#[test]
fn folders_that_are_no_models_are_told_with_the_mend() {
    let desk = Desk::with_key();
    let image = sample_path("hand");
    let encrypt = |dir| {
        [
            "encrypt", "--key", "key", "--model", dir, &image, "-o", "out",
        ]
    };
    desk.refused(&encrypt("nowhere"), "nowhere cannot be read");
    std::fs::create_dir(desk.path("empty")).unwrap();
    desk.refused(&encrypt("empty"), "model.toml cannot be read");
    std::fs::create_dir(desk.path("My Model")).unwrap();
    desk.refused(&encrypt("My Model"), "rename the folder");
    desk.write("empty/model.toml", b"title = 1");
    desk.refused(&encrypt("empty"), "docs/MODELS.md");
}

#[test]
fn a_picture_is_needed() {
    let desk = Desk::with_key();
    let dir = folder("scan-type");
    let encrypt = |file| {
        [
            "encrypt", "--key", "key", "--model", &dir, file, "-o", "out",
        ]
    };
    desk.refused(&encrypt("missing.png"), "missing.png cannot be read");
    for (name, bytes) in [
        ("empty.png", &b""[..]),
        ("text.png", b"hello, this is no picture"),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF"),
    ] {
        desk.write(name, bytes);
        desk.refused(
            &encrypt(name),
            "PNG, JPEG, WebP, BMP, GIF and .npy are understood",
        );
    }
    desk.write("odd.npy", b"\x93NUMPY\x01\x00");
    desk.refused(&encrypt("odd.npy"), "odd.npy cannot be used as a picture");
}

#[test]
fn without_a_server_the_message_says_how_to_start_one() {
    let desk = Desk::with_key();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let image = sample_path("hand");
    let words = "--server";
    desk.refused(&["models", "--server", &server], words);
    desk.refused(
        &[
            "analyse",
            "--server",
            &server,
            "--key",
            "key",
            "--model",
            "scan-type",
            &image,
        ],
        words,
    );
}
