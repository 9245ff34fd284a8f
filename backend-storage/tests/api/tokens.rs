//! The owner's token and limited ones.

use darkroom_api::access::{LABEL_MAX_BYTES, Scope, TokenRequest};
use darkroom_api::header::ObjectKind;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use darkroom_api::storage::{GrantRequest, ObjectRef};
use darkroom_api::token::Token;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};

use crate::support::{App, Owner, Process, files, image, new_id, object, random, refused};

const IMAGE: ObjectKind = ObjectKind::Image;

pub fn new_token() -> Token {
    Token::new(random())
}

fn wanted(token: &Token, label: &str, scope: Scope) -> TokenRequest {
    TokenRequest {
        token_sha256: token.hash(),
        label: label.to_owned(),
        scope,
        not_after_ms: None,
    }
}

pub async fn opens(owner: &Owner) -> bool {
    let path = routes::vault(owner.vault);
    let answer = owner.send(Method::GET, &path).await;
    if answer.status() == StatusCode::OK {
        return true;
    }
    refused(answer, ProblemType::Unauthorized).await;
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_token_is_refused_and_the_new_one_opens() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let first = app.owner().await;
    let id = first.put_image(b"x").await;
    let mut owners = vec![first];
    for _ in 0..3 {
        let token = new_token();
        let old = owners.last().unwrap().clone();
        assert_eq!(old.rotate_to(&token).await.status(), 204);
        // The same once more, as if the answer had been lost: with the old token and with the new.
        assert_eq!(old.rotate_to(&token).await.status(), 204);
        let new = old.with(&token);
        assert_eq!(new.rotate_to(&token).await.status(), 204);
        owners.push(new);
        for former in &owners[..owners.len() - 1] {
            assert!(!opens(former).await);
            refused(former.put_vault().await, ProblemType::Unauthorized).await;
            let answer = former.rotate_to(&new_token()).await;
            refused(answer, ProblemType::Unauthorized).await;
        }
        assert_eq!(old.with(&token).read(IMAGE, id).await, image(b"x"));
    }
    // None comes back.
    let (owner, former) = (owners.last().unwrap(), &owners[..3]);
    for former in former {
        let answer = owner.rotate_to(&former.token).await;
        refused(answer, ProblemType::TokenExists).await;
    }
    assert_eq!(owner.put_vault().await.status(), StatusCode::OK);
    app.stop().await;
    let app = App::start_in(dir.path(), |_| {}).await;
    assert!(opens(&owner.at(&app.address)).await);
    assert!(!opens(&former[0].at(&app.address)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rotations_at_once_on_two_processes_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::start(dir.path(), "");
    let second = Process::start(dir.path(), "");
    for _ in 0..5 {
        let owner = Owner::open(&first.address).await;
        let tokens: Vec<_> = (0..6).map(|_| new_token()).collect();
        let sides = [owner.clone(), owner.at(&second.address)];
        let rotations = tokens
            .iter()
            .zip(sides.iter().cycle())
            .map(|(token, side)| side.rotate_to(token));
        let mut won = Vec::new();
        for (token, answer) in tokens.iter().zip(join_all(rotations).await) {
            if answer.status() == StatusCode::NO_CONTENT {
                won.push(token);
            } else {
                refused(answer, ProblemType::Unauthorized).await;
            }
        }
        assert_eq!(won.len(), 1);
        for side in &sides {
            assert!(!opens(side).await);
            for token in &tokens {
                assert_eq!(opens(&side.with(token)).await, std::ptr::eq(token, won[0]));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_a_crash_cut_short_is_finished_by_the_same_request() {
    let app = App::start().await;
    let owner = app.owner().await;
    let token = new_token();
    assert_eq!(owner.rotate_to(&token).await.status(), 204);
    let name = token.hash().id().to_string();
    let is_new = |file: &std::path::PathBuf| file.ends_with(format!("tokens/{name}"));
    let written = files(&app.dir).into_iter().find(is_new).unwrap();
    std::fs::remove_file(written).unwrap();
    let new = owner.with(&token);
    assert!(!opens(&owner).await && !opens(&new).await);
    let answer = owner.rotate_to(&new_token()).await;
    refused(answer, ProblemType::Unauthorized).await;
    assert_eq!(owner.rotate_to(&token).await.status(), 204);
    assert!(!opens(&owner).await && opens(&new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn limited_tokens_are_made_listed_and_revoked() {
    let app = App::start().await;
    let owner = app.owner().await;
    let token = new_token();
    let request = wanted(&token, "Dr. Ö (sealed or not)", Scope::Read);
    for expected in [StatusCode::CREATED, StatusCode::OK] {
        let made = owner.put_token(&token, &request).await;
        assert_eq!(made.status(), expected);
    }
    let other = wanted(&token, "another", Scope::Submit);
    let answer = owner.put_token(&token, &other).await;
    refused(answer, ProblemType::TokenExists).await;
    let machine = owner.colleague(Scope::Submit).await;
    let colleague = owner.with(&token);
    assert!(opens(&colleague).await && opens(&machine).await);

    let listed = owner.tokens().await;
    assert_eq!(listed.len(), 2);
    assert_eq!(
        (listed[0].id, &listed[0].label),
        (token.hash().id(), &request.label)
    );
    assert_eq!(
        (listed[1].scope, listed[1].revoked_ms),
        (Scope::Submit, None)
    );
    for _twice in 0..2 {
        assert_eq!(owner.revoke(&token).await.status(), 204);
    }
    assert!(!opens(&colleague).await && opens(&machine).await);
    assert!(owner.tokens().await[0].revoked_ms.is_some());
    // A revoked one does not come back.
    let answer = owner.put_token(&token, &request).await;
    refused(answer, ProblemType::TokenExists).await;
    let answer = owner.revoke(&new_token()).await;
    refused(answer, ProblemType::TokenNotFound).await;
    // Neither can be two things.
    for taken in [&owner.token, &machine.token] {
        let answer = owner
            .put_token(taken, &wanted(taken, "x", Scope::Read))
            .await;
        refused(answer, ProblemType::TokenExists).await;
    }
    let answer = owner.rotate_to(&machine.token).await;
    refused(answer, ProblemType::TokenExists).await;
    // Nobody but the owner sees or changes any of it, and no secret is on the disk.
    let secrets = [&token, &machine.token, &owner.token];
    for file in files(&app.dir) {
        let content = std::fs::read(&file).unwrap();
        let content = String::from_utf8_lossy(&content);
        let reveals = |token: &&Token| content.contains(&token.danger_reveal());
        assert!(!secrets.iter().any(reveals), "{file:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_for_tokens_are_refused() {
    let app = App::start_with(|config| config.limits.tokens = 2).await;
    let owner = app.owner().await;
    let token = new_token();
    for label in ["", "a\nb", &"x".repeat(LABEL_MAX_BYTES + 1)] {
        let answer = owner
            .put_token(&token, &wanted(&token, label, Scope::Read))
            .await;
        refused(answer, ProblemType::MalformedRequest).await;
    }
    let another = wanted(&new_token(), "x", Scope::Read);
    let answer = owner.put_token(&token, &another).await;
    refused(answer, ProblemType::MalformedRequest).await;
    for body in ["", "{}", "[]", r#"{"token_sha256":"zz"}"#] {
        for path in [
            routes::token(owner.vault, token.hash().id()),
            routes::owner_token(owner.vault),
        ] {
            let request = owner.request(Method::PUT, &path).body(body);
            refused(request.send().await.unwrap(), ProblemType::MalformedRequest).await;
        }
    }
    assert!(opens(&owner).await && owner.tokens().await.is_empty());
    // The limit counts what is good; of the others the oldest are forgotten.
    let first = owner.colleague(Scope::Read).await;
    owner.colleague_until(Scope::Read, Some(1)).await;
    owner.colleague(Scope::Read).await;
    let answer = owner
        .put_token(&token, &wanted(&token, "x", Scope::Read))
        .await;
    refused(answer, ProblemType::TooManyTokens).await;
    assert_eq!(owner.revoke(&first.token).await.status(), 204);
    for _ in 0..3 {
        let next = owner.colleague(Scope::Read).await;
        assert_eq!(owner.revoke(&next.token).await.status(), 204);
    }
    assert_eq!(owner.tokens().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_submits_has_an_image_analysed_and_changes_nothing() {
    let app = App::start().await;
    let owner = app.owner().await;
    let machine = owner.colleague(Scope::Submit).await;
    let (id, result) = (machine.put_image(b"x").await, new_id());
    assert_eq!(machine.put_vault().await.status(), StatusCode::OK);
    for _twice in 0..2 {
        let note = machine.put_note(IMAGE, id, b"mine".to_vec()).await;
        assert_eq!(note.status(), 204);
    }
    let answer = machine.put_note(IMAGE, id, b"other".to_vec()).await;
    refused(answer, ProblemType::TokenRefused).await;
    assert_eq!(
        owner.put_note(IMAGE, id, b"other".to_vec()).await.status(),
        204
    );
    let reads = vec![ObjectRef { kind: IMAGE, id }];
    let request = GrantRequest {
        reads,
        writes: vec![result],
        valid_ms: 60_000,
    };
    let grant = machine.grant(&request).await.grant;
    assert_eq!(machine.get_with(&grant, IMAGE, id).await.status(), 200);
    let bytes = object(ObjectKind::Result, b"score");
    let put = machine
        .put_with(&grant, ObjectKind::Result, result, bytes.clone())
        .await;
    assert_eq!(put.status(), StatusCode::CREATED);
    assert_eq!(machine.read(ObjectKind::Result, result).await, bytes);
    // Its grants end with it.
    assert_eq!(owner.revoke(&machine.token).await.status(), 204);
    let answer = machine.get_with(&grant, IMAGE, id).await;
    refused(answer, ProblemType::GrantInvalid).await;
    let until = now_ms() + 5_000;
    let brief = owner.colleague_until(Scope::Submit, Some(until)).await;
    assert!(brief.grant(&request).await.not_after_ms <= until);
}

fn now_ms() -> u64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
