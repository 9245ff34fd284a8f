-- What each process that shares the queue has in memory, as far as it said so lately.
CREATE TABLE holdings (
    node     TEXT   NOT NULL, -- drawn by the process at its start
    what     TEXT   NOT NULL, -- 'key', vault and key id, or 'model' and digest
    until_ms BIGINT NOT NULL, -- by the database's clock; after this it is not to be believed
    PRIMARY KEY (node, what)
);
