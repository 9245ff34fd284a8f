//! Who may open a new vault: everyone, whoever was invited, or nobody.

use std::path::Path;
use std::process::Command;

use backend_storage::Opening;
use darkroom_api::access::INVITATION;
use darkroom_api::problem::ProblemType;
use darkroom_api::routes;
use futures_util::future::join_all;
use reqwest::{Method, Response, StatusCode};

use crate::support::{App, Owner, Process, files, refused};
use crate::tokens::{new_token, opens};

/// What `backend-storage invite` prints.
fn invite(dir: &Path, more: &[&str]) -> Vec<String> {
    let file = dir.join("invite.toml");
    std::fs::write(&file, format!("data_dir = {:?}", dir.join("store"))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_backend-storage"));
    let output = command.arg("invite").arg("--config").arg(file).args(more);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn open_with(owner: &Owner, invitation: &str) -> Response {
    let path = routes::vault(owner.vault);
    let request = owner.request(Method::PUT, &path);
    request.header(INVITATION, invitation).send().await.unwrap()
}

fn by_invitation(config: &mut backend_storage::Config) {
    config.opening = Opening::Invitation;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_opens_one_vault_and_its_hash_is_all_that_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), by_invitation).await;
    let invitations = invite(dir.path(), &["--count", "2", "--valid-days", "1"]);
    assert_eq!(invitations.len(), 2);
    for file in files(&app.dir) {
        let content = std::fs::read_to_string(&file).unwrap_or_default();
        for invitation in &invitations {
            assert!(!content.contains(invitation) && !file.ends_with(invitation));
        }
    }
    let owner = Owner::new(&app.address);
    let detail = refused(owner.put_vault().await, ProblemType::InvitationNeeded).await;
    assert!(detail.contains(INVITATION), "{detail}");
    for bad in ["", "x", &"ab".repeat(32), &invitations[0][1..]] {
        let answer = open_with(&owner, bad).await;
        refused(answer, ProblemType::InvitationRefused).await;
    }
    refused(
        owner.send(Method::GET, &routes::vault(owner.vault)).await,
        ProblemType::Unauthorized,
    )
    .await;
    let opened = open_with(&owner, &invitations[0]).await;
    assert_eq!(opened.status(), StatusCode::CREATED);
    // It was for this vault: trying again is no error, with the invitation or without.
    let again = open_with(&owner, &invitations[0]).await;
    assert_eq!(again.status(), StatusCode::OK);
    assert_eq!(owner.put_vault().await.status(), StatusCode::OK);
    owner.put_image(b"x").await;

    let second = Owner::new(&app.address);
    let used = open_with(&second, &invitations[0]).await;
    refused(used, ProblemType::InvitationRefused).await;
    let opened = open_with(&second, &invitations[1]).await;
    assert_eq!(opened.status(), StatusCode::CREATED);

    // After its deletion the owner may open it again with the invitation that is hers.
    let path = routes::vault(owner.vault);
    assert_eq!(owner.send(Method::DELETE, &path).await.status(), 204);
    let answer = owner.put_vault().await;
    refused(answer, ProblemType::InvitationNeeded).await;
    let used = open_with(&owner.stranger(), &invitations[0]).await;
    refused(used, ProblemType::InvitationRefused).await;
    let again = open_with(&owner, &invitations[0]).await;
    assert_eq!(again.status(), StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_invitation_a_vault_that_is_there_cannot_be_told_from_one_that_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), by_invitation).await;
    let invitations = invite(dir.path(), &["--count", "2"]);
    let owner = Owner::new(&app.address);
    assert_eq!(open_with(&owner, &invitations[0]).await.status(), 201);
    for (invitation, expected) in [
        (None, ProblemType::InvitationNeeded),
        (Some(&invitations[0]), ProblemType::InvitationRefused),
    ] {
        let mut seen = Vec::new();
        for caller in [owner.stranger(), Owner::new(&app.address)] {
            let answer = match invitation {
                None => caller.put_vault().await,
                Some(invitation) => open_with(&caller, invitation).await,
            };
            seen.push(refused(answer, expected).await);
        }
        assert_eq!(seen[0], seen[1]);
    }
    // A good invitation does not help into another's vault, and is not used up by trying.
    let answer = open_with(&owner.stranger(), &invitations[1]).await;
    refused(answer, ProblemType::Unauthorized).await;
    let next = Owner::new(&app.address);
    assert_eq!(open_with(&next, &invitations[1]).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_that_ended_opens_nothing_and_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |config| {
        by_invitation(config);
        config.sweep.every_ms = 50;
    })
    .await;
    let invitation = &invite(dir.path(), &[])[0];
    let made = app.dir.join("invitations");
    let file = files(&made).pop().unwrap();
    std::fs::write(&file, br#"{"not_after_ms":1}"#).unwrap();
    let answer = open_with(&Owner::new(&app.address), invitation).await;
    refused(answer, ProblemType::InvitationRefused).await;
    crate::support::until("the sweep", || files(&made).is_empty()).await;
    let answer = open_with(&Owner::new(&app.address), invitation).await;
    refused(answer, ProblemType::InvitationRefused).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_storage_goes_on_and_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = app.owner().await;
    let id = owner.put_image(b"x").await;
    app.stop().await;
    let app = App::start_in(dir.path(), |config| config.opening = Opening::Closed).await;
    let owner = owner.at(&app.address);
    assert_eq!(owner.put_vault().await.status(), StatusCode::OK);
    owner
        .read(darkroom_api::header::ObjectKind::Image, id)
        .await;
    owner.put_image(b"y").await;
    let invitation = &invite(dir.path(), &[])[0];
    let mut seen = Vec::new();
    for caller in [owner.stranger(), Owner::new(&app.address)] {
        seen.push(refused(caller.put_vault().await, ProblemType::OpeningClosed).await);
        let answer = open_with(&caller, invitation).await;
        seen.push(refused(answer, ProblemType::OpeningClosed).await);
    }
    assert!(seen.iter().all(|detail| *detail == seen[0]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_that_are_shown_one_invitation_one_opens_a_vault() {
    let dir = tempfile::tempdir().unwrap();
    let settings = "opening = \"invitation\"";
    let first = Process::start(dir.path(), settings);
    let second = Process::start(dir.path(), settings);
    let invitations = invite(dir.path(), &["--count", "10"]);
    for invitation in &invitations {
        let callers: Vec<_> = [&first.address, &second.address]
            .into_iter()
            .cycle()
            .take(6)
            .map(|address| Owner::new(address))
            .collect();
        let opened = callers.iter().map(|caller| open_with(caller, invitation));
        let mut won = 0;
        for answer in join_all(opened).await {
            if answer.status() == StatusCode::CREATED {
                won += 1;
            } else {
                refused(answer, ProblemType::InvitationRefused).await;
            }
        }
        assert_eq!(won, 1);
    }
    let vaults = files(&dir.path().join("store/vaults")).len();
    assert_eq!(vaults, invitations.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn vaults_and_grants_of_the_present_form_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let records = dir.path().join("store/vaults");
    std::fs::create_dir_all(&records).unwrap();
    // As the version before wrote it: token 07 07 ..., whose hash was computed apart.
    let owner = Owner {
        token: darkroom_api::token::Token::new([7; 32]),
        ..Owner::new("")
    };
    let hash = owner.token.hash();
    let record = format!(
        r#"{{"epoch":"{}","token_sha256":"{hash}","created_ms":1700000000000}}"#,
        "0123456789abcdef".repeat(2)
    );
    std::fs::write(records.join(owner.vault.to_string()), record).unwrap();
    let app = App::start_in(dir.path(), |_| {}).await;
    let owner = owner.at(&app.address);
    assert_eq!(owner.info().await.created_ms, 1_700_000_000_000);
    owner.put_image(b"x").await;
    let token = new_token();
    assert_eq!(owner.rotate_to(&token).await.status(), 204);
    assert!(!opens(&owner).await && opens(&owner.with(&token)).await);
}
