//! `darkroom` where one is invited, rotates, hands on limited tokens, and looks into the log.

use std::path::Path;

use darkroom_api::access::GENERATION_LAST;
use darkroom_api::audit::{Checkpoint, EntryHash};
use darkroom_api::client::{ClientError, Storage};
use darkroom_api::ids::VaultId;
use darkroom_api::problem::ProblemType;
use darkroom_api::token::Token;
use darkroom_fhe::keys::ClientKey;
use darkroom_fhe::seed::Randomness;
use e2e::services::{Darkroom, Plan};

use crate::command_line::{darkroom, said, said_and_told, save};
use crate::zoo;

#[track_caller]
fn run(arguments: Vec<String>) -> (String, String) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    said_and_told(&arguments)
}

#[track_caller]
fn fail(arguments: Vec<String>, words: &str) {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = darkroom(&arguments);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
    assert!(told.contains(words), "{arguments:?}: {told}");
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_invited_rotates_and_hands_on_a_token() {
    let models = zoo::small();
    let plan = Plan {
        models: Some(models.path()),
        storage: &[("OPENING", "invitation")],
        ..Plan::default()
    };
    let services = Darkroom::start_as(plan).await.unwrap();
    let server = services.gateway.url();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (key, copy, picture) = (at("key"), at("copy"), save(folder.path(), "a.png", 3));
    let analyse = |key: &str, more: &[&str]| -> Vec<String> {
        let fixed = [
            "analyse",
            "--server",
            &server,
            "--key",
            key,
            "--model",
            "left-right",
        ];
        let all = fixed.iter().chain(more).map(|text| (*text).to_owned());
        all.chain([picture.clone()]).collect()
    };

    // Opening: nobody is let in without an invitation, and one lets in one vault.
    said(&["keygen", "--key", &key]);
    std::fs::copy(&key, &copy).unwrap();
    fail(analyse(&key, &[]), "--invitation");
    let invitation = services.invite().unwrap();
    let wrong = "ab".repeat(32);
    fail(
        analyse(&key, &["--invitation", &wrong]),
        "ask whoever runs it for a new one",
    );
    run(analyse(&key, &["--invitation", &invitation]));
    run(analyse(&key, &[]));

    // Rotation: the key file notes it, a copy that does not know it finds it.
    let own = |key: &str, words: &[&str]| -> Vec<String> {
        let fixed = ["--server", server.as_str(), "--key", key];
        words
            .iter()
            .chain(&fixed)
            .map(|text| (*text).to_owned())
            .collect()
    };
    run(own(&key, &["token", "rotate"]));
    let (_, told) = run(own(&key, &["token", "rotate"]));
    assert!(told.contains("generation 2"), "{told}");
    let noted = std::fs::read_to_string(&key).unwrap();
    assert!(
        noted.ends_with("\ntoken-generation 2\n"),
        "{} lines",
        noted.lines().count()
    );
    let (_, told) = run(analyse(&copy, &[]));
    assert!(told.contains("generation 2"), "{told}");
    assert_eq!(std::fs::read_to_string(&copy).unwrap(), noted);
    let (_, told) = run(analyse(&copy, &[]));
    assert!(!told.contains("generation"), "{told}");

    // A limited token: made, used by a machine with a key of its own, revoked.
    let made = [
        "token",
        "make",
        "--scope",
        "submit",
        "--label",
        "scanner 2",
        "--days",
        "3",
    ];
    let (token, told) = run(own(&key, &made));
    let vault = told.split("of vault ").nth(1).unwrap()[..32].to_owned();
    let file = write(folder.path(), "token", &token);
    let machine = at("machine");
    said(&["keygen", "--key", &machine]);
    let with = ["--token", file.as_str(), "--vault", vault.as_str()];
    let (line, _) = run(analyse(&machine, &with));
    assert!(line.contains("a.png: "), "{line}");
    fail(
        analyse(&machine, &["--token", &file]),
        "name that with --vault",
    );
    let reads = ["token", "make", "--scope", "read", "--label", "colleague"];
    let (reads, _) = run(own(&key, &reads));
    let reads = write(folder.path(), "reads", &reads);
    fail(analyse(&key, &["--token", &reads]), "this token only reads");
    let (list, _) = run(own(&key, &["token", "list"]));
    let ids: Vec<&str> = list.lines().map(|line| &line[..32]).collect();
    assert!(
        ids.len() == 2 && list.contains(r#"submit  "scanner 2"#),
        "{list}"
    );
    run(own(&key, &["token", "revoke", ids[0]]));
    fail(analyse(&machine, &with), "has ended or was revoked");

    // The log: one chain, with everybody in it, and a rewritten past is noticed.
    let checkpoint = at("checkpoint");
    let look = ["log", "--checkpoint", checkpoint.as_str()];
    let (log, told) = run(own(&key, &look));
    assert!(told.contains("the chain holds: entries 1 to"), "{told}");
    for words in [
        "you: open the vault",
        "you: rotate the token",
        "\"scanner 2\": store images",
        "that was yours before a rotation: describe the vault, refused (unauthorized)",
        "you: revoke token",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let (_, told) = run(own(&key, &look));
    assert!(told.contains("it still holds entry"), "{told}");
    let kept = std::fs::read_to_string(&checkpoint).unwrap();
    let sha256 = kept.split("sha256\":\"").nth(1).unwrap()[..64].to_owned();
    write(folder.path(), "checkpoint", &kept.replace(&sha256, &wrong));
    fail(own(&key, &look), "was rewritten");
    let (info, _) = run(own(&key, &["vault", "--json"]));
    assert!(info.contains(&format!("\"vault\":\"{vault}\"")), "{info}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_found_whatever_happened_to_its_rotation() {
    let services = Darkroom::start().await.unwrap();
    let storage = Storage::new(&services.storage_url()).unwrap();
    let key = ClientKey::generate(&mut Randomness::system().unwrap()).unwrap();
    let vault = VaultId(key.vault_id());
    let token = |generation| Token::new(key.vault_token(generation));
    let find = async |known| {
        let mut told = Vec::new();
        let found = storage.find_generation(vault, known, token, |tried| told.push(tried));
        (found.await.unwrap(), told.len())
    };
    // Of a vault that is not there, all are tried, and none opens it.
    assert_eq!(find(0).await, (None, GENERATION_LAST as usize));
    storage.open_vault(vault, &token(0)).await.unwrap();
    assert_eq!(find(3).await.0, Some(0));

    // Two devices at once, neither of which hears of the other: both know the new one.
    let (zero, one) = (token(0), token(1));
    let (first, second) = tokio::join!(
        storage.rotate_token(vault, &zero, &one),
        storage.rotate_token(vault, &zero, &one),
    );
    first.unwrap();
    second.unwrap();
    // One that comes later is refused, and finds what it missed.
    storage.rotate_token(vault, &one, &token(2)).await.unwrap();
    let late = storage
        .rotate_token(vault, &zero, &token(5))
        .await
        .unwrap_err();
    assert_eq!(late.problem().unwrap().kind, ProblemType::Unauthorized);
    for known in [0, 1, 40] {
        assert_eq!(find(known).await.0, Some(2));
    }

    // Storage crashed in the middle of a rotation: what it wrote first is there, the rest is not.
    storage
        .rotate_token(vault, &token(2), &token(3))
        .await
        .unwrap();
    let owners = files(
        &services.folder().join("storage"),
        &token(3).hash().id().to_string(),
    );
    let owner: Vec<_> = owners
        .iter()
        .filter(|file| file.parent().unwrap().ends_with("tokens"))
        .collect();
    assert_eq!(owner.len(), 1, "{owners:?}");
    std::fs::remove_file(owner[0]).unwrap();
    for generation in 0..5 {
        assert!(storage.vault(vault, &token(generation)).await.is_err());
    }
    assert_eq!(find(2).await.0, Some(3));
    storage.vault(vault, &token(3)).await.unwrap();

    // The log as the typed client reads it, from the beginning and from a place.
    let owner = token(3);
    let (all, end) = storage.log(vault, &owner, None).await.unwrap();
    assert_eq!((all[0].number, end.number), (1, all.len() as u64));
    storage.tokens(vault, &owner).await.unwrap();
    let (more, _) = storage.log(vault, &owner, Some(end)).await.unwrap();
    assert_eq!(more[0].number, end.number + 1);
    let far = Checkpoint {
        number: 1_000_000,
        sha256: EntryHash([1; 32]),
    };
    let cut_off = storage.log(vault, &owner, Some(far)).await.unwrap_err();
    assert!(matches!(cut_off, ClientError::Chain(_)), "{cut_off}");
}

/// All files of this name in a folder, at any depth.
fn files(folder: &Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, name));
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    found
}
