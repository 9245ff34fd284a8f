-- How many jobs each owner has submitted on a day. The jobs themselves may be forgotten sooner.
CREATE TABLE usage (
    owner TEXT   NOT NULL, -- as in jobs
    day   BIGINT NOT NULL, -- since 1970, UTC, by the database's clock
    jobs  BIGINT NOT NULL,
    PRIMARY KEY (owner, day)
);

CREATE INDEX usage_by_day ON usage (day);
