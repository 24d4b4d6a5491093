-- +goose Up

-- sealed is the whole connection as JSON, encrypted: it holds secrets. Ids are unique over all orgs, since the URL that a
-- vendor posts to names no org.
CREATE TABLE connections (
    org    TEXT NOT NULL,
    id     TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE UNIQUE INDEX connections_id ON connections (id);

CREATE TABLE inbox (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    org          TEXT   NOT NULL,
    id           TEXT   NOT NULL,
    connection   TEXT   NOT NULL,
    state        TEXT   NOT NULL,
    received_at  BIGINT NOT NULL,
    processed_at BIGINT,
    content_type TEXT   NOT NULL,
    header       TEXT   NOT NULL, -- JSON
    attempts     BIGINT NOT NULL,
    told         TEXT   NOT NULL, -- JSON
    notes        TEXT   NOT NULL, -- JSON
    problem      TEXT   NOT NULL, -- JSON; '' for none
    awaits_kind  TEXT,
    awaits_module TEXT,
    awaits_id    TEXT,
    body         BLOB   NOT NULL  -- last: lists do without it
);

CREATE UNIQUE INDEX inbox_id ON inbox (org, id);
CREATE INDEX inbox_connection ON inbox (org, connection, state, position);
CREATE INDEX inbox_state ON inbox (org, state, position);
CREATE INDEX inbox_awaits ON inbox (org, awaits_kind, awaits_module, awaits_id) WHERE awaits_id IS NOT NULL;
CREATE INDEX inbox_received_at ON inbox (received_at);

-- The newest that a source has said of a record.
CREATE TABLE heard (
    org    TEXT   NOT NULL,
    source TEXT   NOT NULL,
    kind   TEXT   NOT NULL,
    module TEXT   NOT NULL,
    id     TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    op     TEXT   NOT NULL,
    PRIMARY KEY (org, source, kind, module, id)
);
