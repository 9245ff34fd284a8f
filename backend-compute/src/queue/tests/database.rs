//! The file of SQLite: who may read it, what it costs.

use super::*;

#[tokio::test]
async fn the_database_is_its_owners_alone_and_durable() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let queue = place.open().await;
    push(&queue, &job(1)).await;
    for file in std::fs::read_dir(place.folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
    for (sql, expected) in [
        ("PRAGMA synchronous", 2),
        ("PRAGMA secure_delete", 1),
        ("PRAGMA busy_timeout", 10_000),
    ] {
        let value: i64 = write(&queue, sqlx::query(sql)).await[0].try_get(0).unwrap();
        assert_eq!(value, expected, "{sql}");
    }
    let rows = write(&queue, sqlx::query("PRAGMA journal_mode")).await;
    assert_eq!(rows[0].try_get::<&str, _>(0).unwrap(), "wal");
}

#[tokio::test]
async fn a_submit_costs_no_more_for_every_finished_job() {
    let place = Place::sqlite();
    let queue = place.open().await;
    for (sql, index) in [
        (
            "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM jobs
                WHERE state IN ('queued', 'running') AND owner = 'x'",
            "COVERING INDEX jobs_by_owner_and_state",
        ),
        (
            "EXPLAIN QUERY PLAN DELETE FROM jobs WHERE finished_ms <= 5",
            "INDEX jobs_by_end",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT MAX(turn) FROM jobs WHERE state = 'done'",
            "SEARCH jobs USING COVERING INDEX jobs_by_turn",
        ),
        (
            "EXPLAIN QUERY PLAN SELECT MAX(turn_end) FROM jobs WHERE vault = 'x'",
            "SEARCH jobs USING COVERING INDEX jobs_by_vault_turn",
        ),
    ] {
        let rows = queue.database.read(sqlx::query(sql)).await.unwrap();
        let plan: &str = rows[0].try_get("detail").unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}

#[tokio::test]
async fn the_jobs_are_copied_while_they_are_used() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let queue = place.open().await;
    let waiting = push(&queue, &job(2)).await;
    let file = place.folder.path().join("copy.sqlite");
    copy(&place.database, &file).await.unwrap();
    push(&queue, &job(1)).await;
    let mode = file.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    let restored = Place {
        folder: TempDir::new().unwrap(),
        database: config::Database::Sqlite(file.clone()),
        _server: None,
    };
    let other = restored.open().await;
    let claimed = other.claim(Claimable::Any).await.unwrap().unwrap();
    assert_eq!(claimed.id, waiting.id);
    let later = other.claim(Claimable::Any).await.unwrap();
    assert!(later.is_none(), "made afterwards");

    // Nothing is written over, and what is not there is not made.
    copy(&place.database, &file).await.unwrap_err();
    let absent = config::Database::Sqlite(place.folder.path().join("absent.sqlite"));
    copy(&absent, &place.folder.path().join("c"))
        .await
        .unwrap_err();
    assert!(!place.folder.path().join("absent.sqlite").exists());
    let remote = config::Database::from("postgres://localhost/jobs".to_owned());
    let refused = copy(&remote, &file).await.unwrap_err().to_string();
    assert!(refused.contains("pg_dump"), "{refused}");
}
