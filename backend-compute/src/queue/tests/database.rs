//! The file of the database: who may read it, what it costs.

use super::*;

#[tokio::test]
async fn the_database_is_its_owners_alone_and_durable() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
    push(&queue, &job(1)).await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
    }
    for (setting, expected) in [
        ("synchronous", 2),
        ("secure_delete", 1),
        ("busy_timeout", 10_000),
    ] {
        let sql = queue.database.dialect.sql(match setting {
            "synchronous" => "PRAGMA synchronous",
            "secure_delete" => "PRAGMA secure_delete",
            _ => "PRAGMA busy_timeout",
        });
        let query = sqlx::query_scalar::<_, i64>(sql);
        let value = query.fetch_one(&queue.database.write).await.unwrap();
        assert_eq!(value, expected, "{setting}");
    }
    let query = sqlx::query_scalar::<_, String>("PRAGMA journal_mode");
    assert_eq!(query.fetch_one(&queue.database.write).await.unwrap(), "wal");
}

#[tokio::test]
async fn a_submit_costs_no_more_for_every_finished_job() {
    let folder = TempDir::new().unwrap();
    let queue = open(&folder).await;
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
        let rows = sqlx::query(sql).fetch_all(&queue.database.read).await;
        let plan: String = sqlx::Row::try_get(&rows.unwrap()[0], "detail").unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}
