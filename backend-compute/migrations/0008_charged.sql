-- 1: the job was counted for its vault's day, which usage keeps under the vault's id.
ALTER TABLE jobs ADD COLUMN charged BIGINT NOT NULL DEFAULT 0;
