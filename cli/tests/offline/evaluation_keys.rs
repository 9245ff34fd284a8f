//! Evaluation keys in files: what is one, and what is refused.

use darkroom_api::header::{HEADER_BYTES, Header, ObjectKind, ParameterSetId, seal};
use darkroom_api::ids::KeyId;
use darkroom_fhe::wire::evaluation_key;

use crate::network::{NETWORK, desk, keys, label, objects};
use crate::support::{Desk, folder};

#[test]
fn an_evaluation_key_is_its_parts_one_after_the_other() {
    let file = &keys().evaluation_key;
    assert!(file.len() <= 12_000_000, "{} bytes", file.len());
    let objects = objects(file);
    assert_eq!(
        objects.len(),
        usize::from(evaluation_key::parts(NETWORK).unwrap())
    );
    let first = Header::parse(file).unwrap();
    for (index, object) in (0..).zip(&objects) {
        let header = Header::parse(object).unwrap();
        assert_eq!(header.kind, ObjectKind::EvaluationKey);
        assert_eq!((header.key, header.parameters.0), (first.key, NETWORK));
        let bytes = evaluation_key::part_payload_bytes(NETWORK, index).unwrap();
        assert_eq!(header.payload_bytes, bytes);
    }
}

#[test]
fn an_evaluation_key_is_not_overwritten_unasked() {
    let desk = desk();
    let make = [
        "evaluation-key",
        "--key",
        "key",
        "--model",
        "halves",
        "-o",
        "ek",
    ];
    let ran = desk.run(&make);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("--force"), "{ran:?}");
    assert_eq!(desk.read("ek"), keys().evaluation_key);
    desk.ok(&[&make[..], &["--force", "--threads", "1"]].concat());
    let (old, new) = (&keys().evaluation_key, desk.read("ek"));
    assert_eq!(new.len(), old.len());
    assert_ne!(&new, old, "masks and noise are fresh each time");
    // Parts of different times make one key.
    let (old, new) = (objects(old), objects(&new));
    let mixed = old.iter().zip(&new).enumerate();
    let mixed: Vec<u8> = mixed
        .flat_map(|(i, (old, new))| if i % 2 == 0 { *old } else { *new })
        .copied()
        .collect();
    desk.write("mixed", &mixed);
    assert_eq!(label(&desk, "mixed"), "left");
}

#[test]
fn a_linear_model_says_that_it_needs_no_evaluation_key() {
    let desk = Desk::with_key();
    let dir = folder("scan-type");
    let make = [
        "evaluation-key",
        "--key",
        "key",
        "--model",
        &dir,
        "-o",
        "ek",
    ];
    let ran = desk.ok(&make);
    assert!(ran.stderr.contains("needs no evaluation key"), "{ran:?}");
    assert!(!desk.path("ek").exists());
    desk.encrypted("scan-type", "hand");
    let ran = desk.ok(&[
        "compute",
        "--model",
        &dir,
        "--evaluation-key",
        "ek",
        "ct",
        "-o",
        "result",
    ]);
    assert!(ran.stderr.contains("ek is not read"), "{ran:?}");
}

fn refused_key(desk: &Desk, bad: &[u8], words: &str) {
    desk.write("bad", bad);
    let compute = [
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        "bad",
        "ct",
        "-o",
        "out",
    ];
    desk.refused(&compute, words);
}

#[test]
fn what_is_no_evaluation_key_is_refused() {
    let desk = desk();
    let good = &keys().evaluation_key;
    refused_key(&desk, b"", "it is empty");
    refused_key(&desk, b"hello, this is none", "ends within its header");
    refused_key(&desk, &[b'x'; 100], "does not start with DARKROOM");
    refused_key(&desk, &keys().key, "it is a secret key");
    refused_key(
        &desk,
        &desk.read("ct"),
        "expected EvaluationKey, found Image",
    );
    refused_key(&desk, &good[..good.len() - 1], "bytes of payload");
    refused_key(&desk, &good[..HEADER_BYTES - 1], "part 1 in it");
    refused_key(&desk, &[good, &b"x"[..]].concat(), "ends within its header");
    let mut flipped = good.clone();
    flipped[HEADER_BYTES + 100] ^= 1;
    refused_key(&desk, &flipped, "part 1 in it: the payload's SHA-256");
    let compute = [
        "compute",
        "--model",
        "halves",
        "--evaluation-key",
        "missing",
        "ct",
        "-o",
        "out",
    ];
    desk.refused(&compute, "missing cannot be read");
}

#[test]
fn parts_that_are_missing_or_there_twice_are_named() {
    let desk = desk();
    let parts = objects(&keys().evaluation_key);
    let without: Vec<&[u8]> = [&parts[..3], &parts[4..]].concat();
    refused_key(&desk, &without.concat(), "lacks its parts [3]");
    refused_key(&desk, parts[0], "lacks its parts [1, 2");
    let twice = [&parts[..], &parts[5..6]].concat();
    refused_key(
        &desk,
        &twice.concat(),
        "part 5 of the evaluation key was added twice",
    );
    let reversed: Vec<&[u8]> = parts.iter().rev().copied().collect();
    desk.write("reversed", &reversed.concat());
    assert_eq!(label(&desk, "reversed"), "left");
}

#[test]
fn a_key_of_another_owner_or_other_parameters_is_refused_before_any_work() {
    let desk = desk();
    let parts = objects(&keys().evaluation_key);
    let kind = ObjectKind::EvaluationKey;
    let header = Header::parse(parts[0]).unwrap();
    let again = |parameters, key| {
        let payloads = parts.iter().map(|part| &part[HEADER_BYTES..]);
        let sealed = payloads.map(|payload| seal(kind, ParameterSetId(parameters), key, payload));
        sealed.collect::<Vec<_>>().concat()
    };
    let other = again(NETWORK, KeyId([7; 16]));
    refused_key(&desk, &other, "belongs to key 07070707");
    let mixed = [parts[0], &other[parts[0].len()..]].concat();
    refused_key(&desk, &mixed, "belongs to key 07070707");
    refused_key(&desk, &again(1, header.key), "has parameter set 1");
    refused_key(&desk, &again(77, header.key), "has parameter set 77");
    for payload in [
        &[][..],
        &[0xff; 50],
        &parts[0][HEADER_BYTES..parts[0].len() - 1],
    ] {
        let sealed = seal(kind, header.parameters, header.key, payload);
        refused_key(&desk, &sealed, "part of an evaluation key is malformed");
    }
}
