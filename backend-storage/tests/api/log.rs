//! The log of a vault: what is in it, that it is one chain, and how long it is kept.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use darkroom_api::access::Scope;
use darkroom_api::audit::{
    Act, ChainError, Checkpoint, LogEntry, LogPage, Outcome, What, Who, check_chain,
};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_api::token::Token;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::support::{App, Owner, Process, files, new_id, object, random, refused, until};

const IMAGE: ObjectKind = ObjectKind::Image;

impl Owner {
    async fn log_page(&self, query: &str) -> LogPage {
        let path = format!("{}{query}", routes::log(self.vault));
        let answer = self.send(Method::GET, &path).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// The log after this place, checked, page by page.
    async fn log(
        &self,
        from: Checkpoint,
        limit: usize,
    ) -> Result<(Vec<LogEntry>, Checkpoint), ChainError> {
        let (mut entries, mut last) = (Vec::new(), from);
        loop {
            let query = format!("?after={}&limit={limit}", last.number);
            let page = self.log_page(&query).await;
            assert!(page.lines.len() <= limit);
            assert_eq!(page.from, last);
            let (more, end) = check_chain(last, page.lines.iter().map(String::as_str))?;
            (last, _) = (end, entries.extend(more));
            if !page.more {
                return Ok((entries, last));
            }
        }
    }

    /// The whole log of a vault, which has to be one chain.
    pub async fn whole_log(&self) -> Vec<LogEntry> {
        self.log(Checkpoint::default(), 500).await.unwrap().0
    }
}

fn brief(entry: &LogEntry) -> (Who, Act, Outcome, u64) {
    let deed = &entry.deed;
    (deed.who.clone(), deed.act, deed.outcome, entry.times)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_written_down_with_who_did_it() {
    let app = App::start().await;
    let owner = app.owner().await;
    let machine = owner.colleague(Scope::Submit).await;
    let (id, result) = (machine.put_image(b"x").await, new_id());
    let request = GrantRequest {
        reads: vec![ObjectRef { kind: IMAGE, id }],
        writes: vec![result],
        valid_ms: 60_000,
    };
    let grant = machine.grant(&request).await.grant;
    for _ in 0..3 {
        machine.get_with(&grant, IMAGE, id).await;
    }
    let bytes = object(ObjectKind::Result, b"score");
    machine
        .put_with(&grant, ObjectKind::Result, result, bytes)
        .await;
    refused(machine.delete(IMAGE, id).await, ProblemType::TokenRefused).await;
    refused(machine.delete(IMAGE, id).await, ProblemType::TokenRefused).await;
    owner.put_note(IMAGE, id, b"note".to_vec()).await;
    owner.list(IMAGE, "").await;
    owner.info().await;
    owner.tokens().await;
    owner.revoke(&machine.token).await;
    refused(machine.get(IMAGE, id).await, ProblemType::Unauthorized).await;
    refused(
        owner.stranger().get(IMAGE, id).await,
        ProblemType::Unauthorized,
    )
    .await;
    let new = Token::new(random());
    owner.rotate_to(&new).await;
    refused(owner.get(IMAGE, id).await, ProblemType::Unauthorized).await;
    let owner = owner.with(&new);
    owner.delete(IMAGE, id).await;

    let log = owner.whole_log().await;
    let numbers: Vec<_> = log.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let submits = Who::Token {
        id: machine.token.hash().id(),
        label: "colleague".into(),
    };
    let What::Grant { id: grant_id, .. } = log
        .iter()
        .find_map(|entry| {
            entry
                .deed
                .what
                .clone()
                .filter(|what| matches!(what, What::Grant { .. }))
        })
        .unwrap()
    else {
        panic!()
    };
    let granted = Who::Grant { id: grant_id };
    let denied = |kind| Outcome::Refused(kind);
    use Outcome::Done;
    let expected = [
        (Who::Owner, Act::Open, Done, 1),
        (Who::Owner, Act::MakeToken, Done, 1),
        (submits.clone(), Act::Put, Done, 1),
        (submits.clone(), Act::MintGrant, Done, 1),
        (granted.clone(), Act::Read, Done, 3),
        (granted, Act::Put, Done, 1),
        (Who::Owner, Act::PutNote, Done, 1),
        (Who::Owner, Act::List, Done, 1),
        (Who::Owner, Act::Describe, Done, 1),
        (Who::Owner, Act::ListTokens, Done, 1),
        (Who::Owner, Act::RevokeToken, Done, 1),
        (Who::Owner, Act::RotateToken, Done, 1),
        (Who::Owner, Act::Delete, Done, 1),
        (
            submits.clone(),
            Act::Delete,
            denied(ProblemType::TokenRefused),
            2,
        ),
        (submits, Act::Read, denied(ProblemType::Unauthorized), 1),
        (
            Who::FormerOwner,
            Act::Read,
            denied(ProblemType::Unauthorized),
            1,
        ),
    ];
    for (at, (found, expected)) in log.iter().map(brief).zip(expected.clone()).enumerate() {
        assert_eq!(found, expected, "entry {at} of {log:#?}");
    }
    // A wrong token is nobody's and leaves no entry.
    assert_eq!(log.len(), expected.len());
    let (next, _) = owner.log(Checkpoint::default(), 3).await.unwrap();
    assert_eq!(next.last().unwrap().deed.act, Act::ReadLog);
    assert_eq!(next[..log.len()], log);
    for file in files(&app.dir.join("logs")) {
        let content = std::fs::read_to_string(file).unwrap();
        for secret in [&machine.token, &owner.token] {
            assert!(!content.contains(&secret.danger_reveal()));
        }
        assert!(!content.contains(&grant));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_write_one_chain_and_lose_no_acknowledged_change() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path(), "");
    let second = Process::start(dir.path(), "");
    let owner = Owner::open(&first.address).await;
    let sides = [owner.clone(), owner.at(&second.address)];
    let puts = (0..60_usize).map(|at| {
        let side = &sides[at % 2];
        let at = u64::try_from(at).unwrap();
        async move { side.put_image(&at.to_le_bytes()).await }
    });
    let reads = (0..30).map(|at| sides[at % 2].list(IMAGE, ""));
    let (ids, _) = tokio::join!(join_all(puts), join_all(reads));
    let log = owner.whole_log().await;
    for id in &ids {
        let what = Some(What::Object {
            kind: IMAGE,
            id: *id,
        });
        let entries = log
            .iter()
            .filter(|entry| entry.deed.act == Act::Put && entry.deed.what == what);
        assert_eq!(entries.count(), 1);
    }
    // Killed at once, nothing of this is gone.
    first.kill();
    second.kill();
    let third = Process::start(dir.path(), "");
    let again = owner.at(&third.address).whole_log().await;
    assert_eq!(again[..log.len()], log);
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_written_soon_and_when_the_service_stops() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |config| config.audit.reads_ms = 20).await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    owner.read(IMAGE, id).await;
    let store = app.dir.clone();
    let written = |act: &str| {
        files(&store.join("logs"))
            .iter()
            .any(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains(act)))
    };
    until("the reading", || written("\"read\"")).await;
    app.stop().await;

    let process = Process::start(dir.path(), "[audit]\nreads_ms = 3600000");
    owner.at(&process.address).list(IMAGE, "").await;
    assert!(!written("\"list\""));
    process.terminate();
    assert!(process.wait().success());
    assert!(written("\"list\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_altered_in_the_store_is_found() {
    let app = App::start().await;
    let owner = app.owner().await;
    for at in 0..6_u8 {
        owner.put_image(&[at]).await;
    }
    let (_, seen) = owner.log(Checkpoint::default(), 500).await.unwrap();
    let segments = segments(&app);
    let original = std::fs::read_to_string(&segments[2]).unwrap();
    let altered = original.replace("\"put\"", "\"read\"");
    assert_ne!(altered, original);
    std::fs::write(&segments[2], altered).unwrap();
    let page = owner.log_page("").await;
    let lines = page.lines.iter().map(String::as_str);
    let found = check_chain(Checkpoint::default(), lines).unwrap_err();
    assert_eq!(found, ChainError::Broken { number: 4 });
    // Whoever knows a later place is not concerned, nor helped.
    owner.log(seen, 500).await.unwrap();

    std::fs::remove_file(&segments[2]).unwrap();
    let page = owner.log_page("").await;
    let lines = page.lines.iter().map(String::as_str);
    let found = check_chain(Checkpoint::default(), lines).unwrap_err();
    let missing = ChainError::Number {
        expected: 3,
        found: 4,
    };
    assert_eq!(found, missing);
}

/// The parts of the logs, oldest first.
fn segments(app: &App) -> Vec<PathBuf> {
    let mut segments = files(&app.dir.join("logs"));
    segments.sort();
    segments
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_go_and_the_rest_is_a_chain_from_where_they_went() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    for at in 0..9_u8 {
        owner.put_image(&[at]).await;
    }
    let (_, seen) = owner.log(Checkpoint::default(), 500).await.unwrap();
    assert_eq!(seen.number, 10);
    let page = owner.log_page("?after=4&limit=1").await;
    let sixth = check_chain(page.from, [page.lines[0].as_str()]).unwrap().1;
    app.stop().await;
    let pruned = |config: &mut backend_storage::Config| {
        config.audit.entries = 4;
        config.sweep.every_ms = 50;
    };
    let app = App::start_in(dir.path(), pruned).await;
    let owner = owner.at(&app.address);
    // Young entries stay, however many.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(owner.whole_log().await[0].number, 1);
    let an_hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for segment in &segments(&app)[..9] {
        let file = std::fs::File::options().write(true).open(segment).unwrap();
        file.set_modified(an_hour_ago).unwrap();
    }
    until("the sweep", || segments(&app).len() < 9).await;
    until("the sweep", || {
        let oldest = segments(&app)[0].clone();
        oldest.ends_with("0000000000000007") || oldest.ends_with("0000000000000008")
    })
    .await;
    let page = owner.log_page("").await;
    assert!(page.from.number >= 6);
    let lines = page.lines.iter().map(String::as_str);
    check_chain(page.from, lines).unwrap();
    // Whoever kept a place that is still covered goes on from it; it goes on behind the old end.
    owner.put_image(b"more").await;
    let (more, _) = owner.log(seen, 500).await.unwrap();
    assert!(more.iter().any(|entry| entry.deed.act == Act::Put));
    assert_eq!(more[0].number, 11);
    // Whoever kept an older one sees that entries are gone.
    let page = owner
        .log_page(&format!("?after={}", sixth.number - 1))
        .await;
    assert_ne!(page.from.number, sixth.number - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_with_its_vault() {
    let app = App::start_with(|config| config.audit.reads_ms = 20).await;
    let owner = app.owner().await;
    let colleague = owner.colleague(Scope::Read).await;
    let gone = owner
        .send(Method::DELETE, &routes::vault(owner.vault))
        .await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    refused(
        colleague.put_note(IMAGE, new_id(), vec![1]).await,
        ProblemType::Unauthorized,
    )
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(files(&app.dir.join("logs")).is_empty());
    assert_eq!(owner.put_vault().await.status(), StatusCode::CREATED);
    let log = owner.whole_log().await;
    assert_eq!(log.len(), 1, "{log:?}");
}
