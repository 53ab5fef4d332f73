-- Times are nanoseconds since the epoch; severities are ranks from 0 (info) to 4 (critical); priorities 0 (p0) to 3.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- ------------------------------------------------------------------------------------------------ events

-- Every combination of the filterable fields that occurs, with how many events have it. '' stands for "not given".
CREATE TABLE event_dims (
    dim         INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    event_type  TEXT NOT NULL,
    severity    INTEGER NOT NULL,
    service     TEXT NOT NULL,
    environment TEXT NOT NULL,
    events      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (source, event_type, severity, service, environment)
);

-- Events a combination and quarter of an hour: exact totals, facets and histograms without reading events.
CREATE TABLE event_slots (
    slot   INTEGER NOT NULL,
    dim    INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (slot, dim)
) WITHOUT ROWID;

-- `seq` is the timestamp, moved on by some nanoseconds where events share one: the table, its indexes and the full-text
-- index are in time order by themselves.
CREATE TABLE events (
    seq            INTEGER PRIMARY KEY,
    id             TEXT NOT NULL,
    dim            INTEGER NOT NULL,
    timestamp      INTEGER NOT NULL,
    observed_at    INTEGER NOT NULL,
    count          INTEGER NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    content_hash   INTEGER NOT NULL,
    title          TEXT NOT NULL,
    host           TEXT,
    fingerprint    TEXT NOT NULL,
    trace_id       TEXT,
    span_id        TEXT,
    correlation_id TEXT,
    request_id     TEXT,
    source_key     TEXT,
    source_id      TEXT,
    tags           TEXT,
    data           TEXT,
    metadata       TEXT,
    provenance     TEXT
);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_dim ON events (dim);
CREATE INDEX events_trace ON events (trace_id) WHERE trace_id IS NOT NULL;
-- source, event type and external id, joined: what a source names once is stored once.
CREATE UNIQUE INDEX events_source_key ON events (source_key) WHERE source_key IS NOT NULL;

CREATE TABLE event_tags (
    tag TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (tag, seq)
) WITHOUT ROWID;

-- Words as `search.rs` cuts them, and one marked token for each filterable field, so that words and filters intersect inside
-- the index. `ascii` leaves them as they come: it splits at spaces only.
CREATE VIRTUAL TABLE events_fts USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Words in `events_fts` that are no ids: what a word's beginning may stand for.
CREATE TABLE event_words (
    word TEXT PRIMARY KEY
) WITHOUT ROWID;

CREATE TABLE event_links (
    investigation_id TEXT NOT NULL,
    event_id         TEXT NOT NULL,
    confidence       REAL NOT NULL,
    reason           TEXT NOT NULL,
    linked_by        TEXT NOT NULL,
    linked_at        INTEGER NOT NULL,
    PRIMARY KEY (investigation_id, event_id)
) WITHOUT ROWID;
CREATE INDEX event_links_event ON event_links (event_id);

-- ------------------------------------------------------------------------------------------------ investigations

CREATE TABLE investigations (
    n                    INTEGER PRIMARY KEY,
    id                   TEXT NOT NULL UNIQUE,
    -- the engine's, replaced with each revision
    revision             INTEGER NOT NULL DEFAULT 0,
    headline             TEXT NOT NULL DEFAULT '',
    symptom              TEXT NOT NULL DEFAULT '',
    environment          TEXT,
    detected_at          INTEGER NOT NULL,
    started_at           INTEGER NOT NULL,
    recovered_at         INTEGER,
    engine_updated_at    INTEGER,
    confidence           REAL NOT NULL DEFAULT 0,
    hot_services         TEXT NOT NULL DEFAULT '[]',
    services_total       INTEGER NOT NULL DEFAULT 0,
    first_suspect        TEXT,
    spark                TEXT NOT NULL DEFAULT '[]',
    findings             TEXT,
    -- the engine's until a person sets them
    impact_severity      INTEGER NOT NULL,
    severity_by_person   INTEGER NOT NULL DEFAULT 0,
    priority             INTEGER NOT NULL,
    priority_by_person   INTEGER NOT NULL DEFAULT 0,
    service_affected     TEXT,
    -- people's
    person_title         TEXT,
    title                TEXT NOT NULL,
    description          TEXT NOT NULL DEFAULT '',
    status               TEXT NOT NULL,
    close_reason         TEXT,
    resolved_at          INTEGER,
    closed_at            INTEGER,
    root_cause           TEXT,
    remediation          TEXT,
    lessons_learned      TEXT,
    component_affected   TEXT,
    tags                 TEXT NOT NULL DEFAULT '[]',
    assigned_to          TEXT,
    created_by           TEXT NOT NULL,
    created_at           INTEGER NOT NULL,
    updated_at           INTEGER NOT NULL,
    version              INTEGER NOT NULL DEFAULT 1
);
CREATE INDEX investigations_started ON investigations (started_at, id);
CREATE INDEX investigations_detected ON investigations (detected_at, id);
CREATE INDEX investigations_created ON investigations (created_at, id);
CREATE INDEX investigations_updated ON investigations (updated_at, id);
CREATE INDEX investigations_status ON investigations (status, started_at);

CREATE VIRTUAL TABLE investigations_fts USING fts5 (
    words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);

-- Each ranking that differed from the one before it.
CREATE TABLE rankings (
    investigation_id TEXT NOT NULL,
    revision         INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    suspects         TEXT NOT NULL,
    PRIMARY KEY (investigation_id, revision)
);

CREATE TABLE verdicts (
    investigation_id TEXT NOT NULL,
    suspect_id       TEXT NOT NULL,
    verdict          TEXT NOT NULL,
    comment          TEXT,
    who              TEXT NOT NULL,
    at               INTEGER NOT NULL,
    PRIMARY KEY (investigation_id, suspect_id)
) WITHOUT ROWID;

CREATE TABLE notes (
    id               TEXT PRIMARY KEY,
    investigation_id TEXT NOT NULL REFERENCES investigations (id),
    author           TEXT NOT NULL,
    body             TEXT NOT NULL,
    event_id         TEXT,
    at               INTEGER,
    parent_id        TEXT,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    version          INTEGER NOT NULL DEFAULT 1,
    deleted_at       INTEGER
);
CREATE INDEX notes_investigation ON notes (investigation_id, created_at);

CREATE TABLE activity (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    investigation_id TEXT,
    at               INTEGER NOT NULL,
    who              TEXT NOT NULL,
    what             TEXT NOT NULL,
    detail           TEXT NOT NULL
);
CREATE INDEX activity_investigation ON activity (investigation_id, id);

-- ------------------------------------------------------------------------------------------------ dead letters

CREATE TABLE letters (
    n               INTEGER PRIMARY KEY,
    id              TEXT NOT NULL UNIQUE,
    connector       TEXT NOT NULL,
    cluster         TEXT NOT NULL,
    topic           TEXT NOT NULL,
    incarnation     INTEGER NOT NULL,
    partition       INTEGER NOT NULL,
    "offset"        INTEGER NOT NULL,
    error_class     TEXT NOT NULL,
    error_message   TEXT NOT NULL,
    format          TEXT NOT NULL,
    bad_items       TEXT NOT NULL,
    attempts        INTEGER NOT NULL,
    first_failed_at INTEGER NOT NULL,
    last_failed_at  INTEGER NOT NULL,
    fingerprint     TEXT NOT NULL,
    status          TEXT NOT NULL,
    replay_count    INTEGER NOT NULL DEFAULT 0,
    bytes           INTEGER NOT NULL,
    UNIQUE (cluster, topic, incarnation, partition, "offset")
);
CREATE INDEX letters_failed ON letters (last_failed_at, n);
CREATE INDEX letters_fingerprint ON letters (fingerprint, last_failed_at);
CREATE INDEX letters_status ON letters (status, last_failed_at);

-- The record's own bytes, apart so that lists do not read them.
CREATE TABLE letter_records (
    n       INTEGER PRIMARY KEY REFERENCES letters (n),
    key     BLOB,
    value   BLOB,
    headers BLOB NOT NULL
);

-- ------------------------------------------------------------------------------------------------ books and state

CREATE TABLE bucket_rows (
    environment TEXT NOT NULL,
    bucket      INTEGER NOT NULL,
    source      TEXT NOT NULL,
    service     TEXT NOT NULL,
    items       INTEGER NOT NULL,
    failing     INTEGER NOT NULL,
    in_events   INTEGER NOT NULL,
    late        INTEGER NOT NULL,
    PRIMARY KEY (environment, bucket, source, service)
) WITHOUT ROWID;
CREATE INDEX bucket_rows_failing ON bucket_rows (environment, service, bucket, failing) WHERE failing > 0;

-- Sums of `bucket_rows` over services, for timelines over days.
CREATE TABLE bucket_totals (
    environment TEXT NOT NULL,
    source      TEXT NOT NULL,
    bucket      INTEGER NOT NULL,
    items       INTEGER NOT NULL,
    failing     INTEGER NOT NULL,
    PRIMARY KEY (environment, source, bucket)
) WITHOUT ROWID;

CREATE TABLE ledger (
    connector    TEXT NOT NULL,
    cluster      TEXT NOT NULL,
    topic        TEXT NOT NULL,
    incarnation  INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    first_offset INTEGER NOT NULL,
    next_offset  INTEGER NOT NULL,
    sums         TEXT NOT NULL,
    PRIMARY KEY (connector, cluster, topic, incarnation, partition)
) WITHOUT ROWID;

CREATE TABLE state (
    n     INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    key   BLOB NOT NULL,
    value BLOB NOT NULL,
    UNIQUE (stage, key)
);

-- ------------------------------------------------------------------------------------------------ the way in from the API

CREATE TABLE inbox (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    command TEXT NOT NULL
);

CREATE TABLE idempotency (
    who          TEXT NOT NULL,
    key          TEXT NOT NULL,
    at           INTEGER NOT NULL,
    command_hash INTEGER NOT NULL,
    outcome      TEXT NOT NULL,
    PRIMARY KEY (who, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency (at);
