-- What is stored ahead of the last checkpoint: read again after a crash, some of it may come otherwise, or not at all.

-- Events of detectors, until a checkpoint has closed the bucket that made them.
CREATE TABLE detected_ahead (
    event_id TEXT PRIMARY KEY,
    bucket   INTEGER NOT NULL
) WITHOUT ROWID;

-- Items of records that make an event each, until the books are past them.
CREATE TABLE items_ahead (
    connector   TEXT NOT NULL,
    cluster     TEXT NOT NULL,
    topic       TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    INTEGER NOT NULL,
    event_id    TEXT NOT NULL,
    PRIMARY KEY (connector, cluster, topic, incarnation, partition, "offset", event_id)
) WITHOUT ROWID;

-- Pauses that outlive the process: a topic that is not what the settings say.
CREATE TABLE pauses (
    connector TEXT PRIMARY KEY,
    since     INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    -- Of the connector, as they were: others lift the pause.
    settings  TEXT NOT NULL
) WITHOUT ROWID;

-- Two connectors that read one topic have a letter each of a record that neither can read.
CREATE TABLE letters_of_connectors (
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
    -- The record's Kafka time: items without a time of their own have this one.
    kafka_time      INTEGER,
    -- Items that replays of it have read.
    items_read      INTEGER NOT NULL DEFAULT 0,
    -- The last replay whose outcome is in this row: an outcome that comes again after a crash changes nothing.
    last_replay     INTEGER NOT NULL DEFAULT 0,
    -- Whether the whole record was bad when it came, or items of it: the books count the one as a record, the other as items.
    whole           INTEGER NOT NULL DEFAULT 1,
    -- Items that were bad when the record came, as the books count them; replays change `bad_items`.
    items_bad       INTEGER NOT NULL DEFAULT 0,
    discard_reason  TEXT,
    UNIQUE (connector, cluster, topic, incarnation, partition, "offset")
);
INSERT INTO letters_of_connectors
    SELECT n, id, connector, cluster, topic, incarnation, partition, "offset", error_class, error_message, format, bad_items, attempts,
        first_failed_at, last_failed_at, fingerprint, status, replay_count, bytes, kafka_time, items_read, last_replay, whole, items_bad,
        discard_reason
    FROM letters;
DROP TABLE letters;
ALTER TABLE letters_of_connectors RENAME TO letters;

CREATE INDEX letters_failed ON letters (last_failed_at, n);
CREATE INDEX letters_fingerprint ON letters (fingerprint, last_failed_at);
CREATE INDEX letters_status ON letters (status, last_failed_at);
CREATE INDEX letters_kept ON letters (last_failed_at, bytes);
CREATE INDEX letters_last_replay ON letters (last_replay) WHERE last_replay > 0;

CREATE TRIGGER letter_bytes_made AFTER INSERT ON letters WHEN NEW.status IN ('waiting', 'replaying')
BEGIN
    INSERT INTO letter_bytes (connector, bytes) VALUES (NEW.connector, NEW.bytes)
        ON CONFLICT (connector) DO UPDATE SET bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER letter_bytes_decided AFTER UPDATE OF status, bytes ON letters
    WHEN (OLD.status IN ('waiting', 'replaying')) <> (NEW.status IN ('waiting', 'replaying')) OR OLD.bytes <> NEW.bytes
BEGIN
    UPDATE letter_bytes SET bytes = bytes
        + CASE WHEN NEW.status IN ('waiting', 'replaying') THEN NEW.bytes ELSE 0 END
        - CASE WHEN OLD.status IN ('waiting', 'replaying') THEN OLD.bytes ELSE 0 END
        WHERE connector = NEW.connector;
END;
CREATE TRIGGER letter_bytes_removed AFTER DELETE ON letters WHEN OLD.status IN ('waiting', 'replaying')
BEGIN
    UPDATE letter_bytes SET bytes = bytes - OLD.bytes WHERE connector = OLD.connector;
END;
