-- One row a job. Times are the database's own clock in milliseconds since 1970.
-- Only what SQLite and PostgreSQL both understand.
CREATE TABLE jobs (
    id              TEXT   NOT NULL PRIMARY KEY, -- drawn by compute, hexadecimal
    owner           TEXT   NOT NULL,             -- SHA-256 of the owner's token
    idempotency_key TEXT   NOT NULL,             -- drawn by the client
    request         TEXT   NOT NULL,             -- SHA-256 of what was asked, without the grant
    model           TEXT   NOT NULL,
    model_digest    TEXT   NOT NULL,             -- of the model's files at submit
    vault           TEXT   NOT NULL,
    key_id          TEXT   NOT NULL,
    items           TEXT   NOT NULL,             -- JSON: [{"image","result"}]
    storage_grant   TEXT,                        -- wiped when the job ends
    state           TEXT   NOT NULL,             -- queued, running, done, failed, cancelled
    attempts        BIGINT NOT NULL,             -- counted when claimed
    attempts_max    BIGINT NOT NULL,
    run_at_ms       BIGINT NOT NULL,             -- not before
    lease_token     TEXT,                        -- of who works on it
    lease_until_ms  BIGINT,                      -- after this, anybody may take it over
    progress        TEXT   NOT NULL,             -- JSON: state, problem, timings of each item
    cancel          BIGINT NOT NULL,             -- 1: the owner wants it to stop
    problem         TEXT,                        -- JSON: why all of it failed
    created_ms      BIGINT NOT NULL,
    started_ms      BIGINT,
    finished_ms     BIGINT,
    UNIQUE (owner, idempotency_key)
);

CREATE INDEX jobs_by_state ON jobs (state, run_at_ms, id);
CREATE INDEX jobs_by_owner ON jobs (owner, created_ms);
