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
