ALTER TABLE jobs ADD COLUMN evaluation_key TEXT; -- JSON: {"parameters","parts","grant"}; wiped when the job ends
-- Work in milliseconds, counted for each vault as if all were worked on at once: where this job
-- begins, and where it ends. Who begins first is claimed first.
ALTER TABLE jobs ADD COLUMN turn BIGINT NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN turn_end BIGINT NOT NULL DEFAULT 0;

CREATE INDEX jobs_by_turn ON jobs (state, turn, id);
CREATE INDEX jobs_by_vault_turn ON jobs (vault, turn_end);
