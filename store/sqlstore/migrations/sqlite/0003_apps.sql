-- +goose Up

-- sealed is the installation as JSON without its package, encrypted: the values of its parameters are secrets. Ids are unique
-- over all orgs, since the URL of external events names no org.
CREATE TABLE apps (
    org     TEXT NOT NULL,
    id      TEXT NOT NULL,
    sealed  BLOB NOT NULL,
    package BLOB NOT NULL, -- last: lists do without it
    PRIMARY KEY (org, id)
);

CREATE UNIQUE INDEX apps_id ON apps (id);

CREATE TABLE app_invocations (
    position    INTEGER PRIMARY KEY AUTOINCREMENT,
    org         TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    at          BIGINT  NOT NULL,
    duration    BIGINT  NOT NULL, -- nanoseconds
    trigger_by  TEXT    NOT NULL,
    product     TEXT    NOT NULL,
    event       TEXT    NOT NULL,
    handler     TEXT    NOT NULL,
    event_id    TEXT    NOT NULL,
    failure     TEXT,             -- JSON
    lines       TEXT    NOT NULL, -- JSON; '' for none
    rendered    TEXT    NOT NULL  -- JSON; '' for none
);

CREATE INDEX app_invocations_app ON app_invocations (org, app, position);
CREATE INDEX app_invocations_failed ON app_invocations (org, app, position) WHERE failure IS NOT NULL;
CREATE INDEX app_invocations_at ON app_invocations (at);

-- What apps keep is encrypted as well: among it are tokens of other services.
CREATE TABLE app_values (
    org        TEXT NOT NULL,
    app        TEXT NOT NULL,
    key        TEXT NOT NULL,
    expires_at BIGINT,
    sealed     BLOB NOT NULL,
    PRIMARY KEY (org, app, key)
);

CREATE INDEX app_values_expires_at ON app_values (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE app_schedules (
    org        TEXT   NOT NULL,
    app        TEXT   NOT NULL,
    name       TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    unit       TEXT   NOT NULL, -- '' for once
    frequency  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    sealed     BLOB   NOT NULL, -- the data
    PRIMARY KEY (org, app, name)
);

CREATE INDEX app_schedules_at ON app_schedules (at);
CREATE INDEX app_schedules_app ON app_schedules (org, app, at, name);
