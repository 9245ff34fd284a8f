//! What is stored in `fuzz/seeds` and `fuzz/findings`, through the functions that are fuzzed. Seeds
//! whose names begin with `read-` are taken, all others are not; of findings nothing is asked but
//! that the parser survives them.

#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzzed::TARGETS;

/// Of a longer seed only the beginning is altered and cut.
const ALTERED_BYTES: usize = 256;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let file = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read(path).unwrap())
    };
    let mut files: Vec<_> = paths.map(file).collect();
    files.sort();
    files
}

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

#[test]
fn every_target_has_its_program_and_its_seeds() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|t| t.name.to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
    assert!(names("findings").is_subset(&targets));
}

#[test]
fn seeds_are_taken_or_refused_as_their_names_say() {
    let mut wrong = Vec::new();
    for target in TARGETS {
        let seeds = files(&fuzz().join("seeds").join(target.name));
        assert!(seeds.iter().any(|(name, _)| name.starts_with("read-")));
        for (name, seed) in seeds {
            match catch_unwind(|| (target.takes)(&seed)) {
                Ok(taken) if taken == name.starts_with("read-") => {}
                Ok(taken) => wrong.push(format!("{}/{name}: taken is {taken}", target.name)),
                Err(_) => wrong.push(format!("{}/{name}: it panics", target.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn findings_stay_found() {
    for target in TARGETS {
        for (name, finding) in files(&fuzz().join("findings").join(target.name)) {
            let survived = catch_unwind(|| (target.takes)(&finding));
            assert!(survived.is_ok(), "{}/{name}", target.name);
        }
    }
}

#[test]
fn seeds_with_one_byte_altered_or_cut_off_anywhere_are_survived() {
    for target in TARGETS {
        // Each of their inputs takes milliseconds: fuzzing does this.
        if ["model", "kme_session", "key_part", "age_file"].contains(&target.name) {
            continue;
        }
        for (name, seed) in files(&fuzz().join("seeds").join(target.name)) {
            for at in 0..seed.len().min(ALTERED_BYTES) {
                let mut altered = seed.clone();
                altered[at] ^= 1 << (at % 8);
                let cut = &seed[..at];
                let survived = catch_unwind(|| {
                    (target.takes)(&altered);
                    (target.takes)(cut);
                });
                assert!(survived.is_ok(), "{}/{name} at {at}", target.name);
            }
        }
    }
}
