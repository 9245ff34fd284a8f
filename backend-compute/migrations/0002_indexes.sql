-- The limits on waiting jobs are counted at every submit, old jobs are looked for every minute:
-- neither may cost more with each finished job.
CREATE INDEX jobs_by_owner_and_state ON jobs (owner, state);
CREATE INDEX jobs_by_end ON jobs (finished_ms);
