-- +goose Up

-- Every key begins with the org. Times are Unix milliseconds UTC (attempts: nanoseconds).
-- JSON that people filter by is TEXT, so that data ->> 'status' works in every engine.

CREATE TABLE heads (
    org    TEXT   NOT NULL PRIMARY KEY,
    seq    BIGINT NOT NULL,
    number BIGINT NOT NULL
);

CREATE TABLE records (
    org        TEXT   NOT NULL,
    kind       TEXT   NOT NULL,
    module     TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    number     BIGINT NOT NULL,
    version    BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    lane       TEXT   NOT NULL,
    data       TEXT   NOT NULL,
    extra      BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (org, kind, module, id)
);

CREATE INDEX records_lane ON records (org, lane, kind, module, id);

CREATE TABLE record_references (
    org         TEXT NOT NULL,
    kind        TEXT NOT NULL,
    module      TEXT NOT NULL,
    id          TEXT NOT NULL,
    member      TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id   TEXT NOT NULL,
    PRIMARY KEY (org, kind, module, id, member, target_kind, target_id)
);

CREATE INDEX record_references_target
    ON record_references (org, target_kind, target_id, kind, module, id, member);

-- before is whole for a deletion, otherwise an edit script that makes it from after (see package delta).
CREATE TABLE changes (
    org           TEXT   NOT NULL,
    seq           BIGINT NOT NULL,
    kind          TEXT   NOT NULL,
    module        TEXT   NOT NULL,
    record_id     TEXT   NOT NULL,
    op            TEXT   NOT NULL,
    number        BIGINT NOT NULL,
    version       BIGINT NOT NULL,
    lane          TEXT   NOT NULL,
    previous_lane TEXT,
    time          BIGINT NOT NULL,
    actor_id      TEXT   NOT NULL,
    actor_type    TEXT   NOT NULL,
    actor_email   TEXT   NOT NULL,
    origin        TEXT   NOT NULL,
    changed       TEXT   NOT NULL,
    before        BLOB,
    after         BLOB,
    extra         BLOB
);

CREATE UNIQUE INDEX changes_seq ON changes (org, seq);
CREATE INDEX changes_lane ON changes (org, lane, seq, kind);
CREATE INDEX changes_previous_lane ON changes (org, previous_lane, seq) WHERE previous_lane IS NOT NULL;
-- A record that is its own lane (an account) is found by its lane: one random page less to write for each of its changes.
CREATE INDEX changes_record ON changes (org, kind, module, record_id, seq) WHERE lane <> record_id;
-- A snapshot asks for records that were deleted since.
CREATE INDEX changes_deleted ON changes (org, kind, module, record_id, seq) WHERE op = 'deleted';

CREATE TABLE remembered (
    org         TEXT   NOT NULL,
    scope       TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    fingerprint BLOB   NOT NULL,
    result      BLOB   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (org, scope, key)
);

CREATE INDEX remembered_created_at ON remembered (created_at);

CREATE TABLE custom_fields (
    org     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    uid     TEXT NOT NULL,
    label   TEXT NOT NULL,
    type    TEXT NOT NULL,
    options TEXT NOT NULL,
    PRIMARY KEY (org, kind, uid)
);

CREATE TABLE value_lists (
    org   TEXT NOT NULL,
    name  TEXT NOT NULL,
    items TEXT NOT NULL,
    PRIMARY KEY (org, name)
);

-- sealed is the whole subscription as JSON, encrypted: it holds secrets.
CREATE TABLE subscriptions (
    org    TEXT NOT NULL,
    id     TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE TABLE progress (
    org              TEXT    NOT NULL,
    subscription     TEXT    NOT NULL,
    position         BIGINT  NOT NULL,
    settled          BLOB,
    snapshot_as_of   BIGINT,
    snapshot_kind    TEXT,
    snapshot_module  TEXT,
    snapshot_id      TEXT,
    replay_from      BIGINT,
    replay_to        BIGINT,
    replay_resume    BIGINT,
    delivered        BIGINT  NOT NULL,
    failed           BIGINT  NOT NULL,
    circuit_open     BOOLEAN NOT NULL,
    updated_at       BIGINT  NOT NULL,
    PRIMARY KEY (org, subscription)
);

CREATE TABLE parked_lanes (
    org          TEXT    NOT NULL,
    subscription TEXT    NOT NULL,
    lane         TEXT    NOT NULL,
    first_seq    BIGINT  NOT NULL,
    first_index  BIGINT  NOT NULL,
    attempts     BIGINT  NOT NULL,
    next_at      BIGINT  NOT NULL,
    blocked      BOOLEAN NOT NULL,
    last_error   TEXT    NOT NULL,
    parked_at    BIGINT  NOT NULL,
    batch        TEXT    NOT NULL, -- JSON: the members of the batch that failed; '' for none
    PRIMARY KEY (org, subscription, lane)
);

CREATE TABLE dead_letters (
    org            TEXT   NOT NULL,
    subscription   TEXT   NOT NULL,
    id             TEXT   NOT NULL,
    lane           TEXT   NOT NULL,
    position_seq   BIGINT NOT NULL,
    position_index BIGINT NOT NULL,
    event_id       TEXT   NOT NULL,
    event_type     TEXT   NOT NULL,
    attempts       BIGINT NOT NULL,
    last_status    BIGINT NOT NULL,
    last_error     TEXT   NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (org, subscription, id)
);

CREATE INDEX dead_letters_created_at ON dead_letters (org, subscription, created_at, id);

CREATE TABLE attempts (
    org          TEXT   NOT NULL,
    subscription TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    event_id     TEXT   NOT NULL,
    event_type   TEXT   NOT NULL,
    seq          BIGINT NOT NULL,
    lane         TEXT   NOT NULL,
    number       BIGINT NOT NULL,
    duration     BIGINT NOT NULL,
    outcome      TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    error        TEXT   NOT NULL,
    response     TEXT   NOT NULL,
    PRIMARY KEY (org, subscription, at)
);

CREATE INDEX attempts_at ON attempts (at);

CREATE TABLE recent_deliveries (
    org          TEXT NOT NULL,
    subscription TEXT NOT NULL,
    attempts     TEXT NOT NULL,
    PRIMARY KEY (org, subscription)
);

CREATE TABLE keys (
    org         TEXT   NOT NULL,
    id          TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    "right"     TEXT   NOT NULL,
    actor_id    TEXT   NOT NULL,
    actor_type  TEXT   NOT NULL,
    actor_email TEXT   NOT NULL,
    hash        BLOB   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (org, id)
);

CREATE UNIQUE INDEX keys_hash ON keys (hash);

-- What the planner shall believe of the tables' sizes, whatever they are now. Left to guess, it takes every org to have ten
-- changes, and walks an org's whole log where it should walk one lane. Rows in all, then rows for each further column that is given.
ANALYZE;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('changes', 'changes_seq', '10000000 1000000 1'),
    ('changes', 'changes_lane', '10000000 1000000 100 1 1'),
    ('changes', 'changes_previous_lane', '10000 1000 2 1'),
    ('changes', 'changes_record', '10000000 1000000 100000 50000 10 1'),
    ('changes', 'changes_deleted', '100000 10000 1000 500 2 1'),
    ('records', 'sqlite_autoindex_records_1', '1000000 100000 10000 5000 1'),
    ('records', 'records_lane', '1000000 100000 50 10 10 1');
