use age::scrypt::Recipient;
use age::secrecy::SecretString;

use crate::support::{Desk, folder, sample_path};

fn text(desk: &Desk, name: &str) -> String {
    String::from_utf8(desk.read(name)).unwrap()
}

#[test]
fn keys_differ_are_private_and_are_never_overwritten() {
    let desk = Desk::with_key();
    let said = desk.ok(&["keygen", "--key", "other"]);
    let (key, other) = (text(&desk, "key"), text(&desk, "other"));
    assert_ne!(key, other);
    assert!(key.starts_with("DARKROOM-KEY-1 ") && key.len() == "DARKROOM-KEY-1 ".len() + 65);
    let secret = other.trim_end().rsplit(' ').next().unwrap();
    assert!(!said.stderr.contains(secret) && said.stdout.is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(desk.path("key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    desk.refused(&["keygen", "--key", "key"], "choose another name");
    assert_eq!(text(&desk, "key"), key);
    desk.refused(&["keygen", "--key", "no/such/folder"], "cannot be written");
}

#[test]
fn words_carry_a_key_to_another_file() {
    let desk = Desk::with_key();
    let words = desk.ok(&["words", "--key", "key"]).stdout;
    assert_eq!(words.split_whitespace().count(), 24);
    let ran = desk.run_with(&["restore", "--key", "again"], &words.to_uppercase());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(desk.read("again"), desk.read("key"));
    assert_eq!(desk.run_with(&["restore", "--key", "key"], &words).code, 1);
    let ran = desk.run_with(&["restore", "--key", "third"], "abandon abandon");
    assert!(ran.code == 1 && ran.stderr.contains("2 words"), "{ran:?}");
    assert!(!desk.path("third").exists());
}

#[test]
fn a_backup_file_of_the_page_becomes_a_key_file() {
    let desk = Desk::with_key();
    let key = text(&desk, "key");
    let digits = key.trim_end().rsplit(' ').next().unwrap();
    let mut recipient = Recipient::new(SecretString::from("four words of mine".to_owned()));
    recipient.set_work_factor(2);
    let plain = format!("darkroom key 1\n{digits}\n");
    desk.write(
        "backup.age",
        &age::encrypt(&recipient, plain.as_bytes()).unwrap(),
    );
    let restore = ["restore", "--key", "again", "--backup", "backup.age"];
    let ran = desk.run_with(&restore, "another\n");
    assert!(
        ran.code == 1 && ran.stderr.contains("passphrase"),
        "{ran:?}"
    );
    let ran = desk.run_with(&restore, "four words of mine\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(text(&desk, "again"), key);
    desk.refused(&["words", "--key", "backup.age"], "restore --backup");
}

#[test]
fn files_that_are_no_keys_are_refused_without_quoting_them() {
    let desk = Desk::with_key();
    let digits = "ab".repeat(31);
    for bad in [
        "",
        "hello",
        "DARKROOM-KEY-1",
        &format!("DARKROOM-KEY-1 {digits}"),
        "DARKROOM-KEY-2 00",
    ] {
        desk.write("bad", bad.as_bytes());
        desk.refused(&["words", "--key", "bad"], "bad is not a key file");
        let ran = desk.run(&["words", "--key", "bad"]);
        assert!(!ran.stderr.contains(&digits), "{ran:?}");
    }
    desk.write("bad", &[b'x'; 70_000]);
    desk.refused(&["words", "--key", "bad"], "it is no key file");
    desk.refused(&["words", "--key", "missing"], "missing cannot be read");
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_used_with_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::with_key();
    let (dir, image) = (folder("scan-type"), sample_path("hand"));
    let encrypt = [
        "encrypt", "--key", "key", "--model", &dir, &image, "-o", "ct",
    ];
    assert_eq!(desk.ok(&encrypt).stderr, "");
    let shared = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("key"), shared).unwrap();
    assert!(desk.ok(&encrypt).stderr.contains("chmod 600 key"));
}
