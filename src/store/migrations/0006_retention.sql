-- What retention removes is booked here, so that the books still close over it.

-- Items that were bad when the record came, as the books count them; replays change `bad_items`.
ALTER TABLE letters ADD COLUMN items_bad INTEGER NOT NULL DEFAULT 0;
UPDATE letters SET items_bad = CASE
    WHEN whole THEN 0
    WHEN status = 'replayed' THEN max(items_read, json_array_length(bad_items))
    ELSE items_read + json_array_length(bad_items)
END;

CREATE TABLE pruned_partitions (
    connector    TEXT NOT NULL,
    cluster      TEXT NOT NULL,
    topic        TEXT NOT NULL,
    incarnation  INTEGER NOT NULL,
    partition    INTEGER NOT NULL,
    -- Events made of one item each.
    events       INTEGER NOT NULL DEFAULT 0,
    -- Letters of whole records, letters of parts of one, and the items the latter hold.
    letters      INTEGER NOT NULL DEFAULT 0,
    letters_part INTEGER NOT NULL DEFAULT 0,
    letter_items INTEGER NOT NULL DEFAULT 0,
    -- Of the letters removed, those that had been decoded again.
    replayed     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (connector, cluster, topic, incarnation, partition)
) WITHOUT ROWID;

-- Bucket rows and the events that count their failing lines, by service.
CREATE TABLE pruned_services (
    environment TEXT NOT NULL,
    service     TEXT NOT NULL,
    rows        INTEGER NOT NULL DEFAULT 0,
    items       INTEGER NOT NULL DEFAULT 0,
    in_events   INTEGER NOT NULL DEFAULT 0,
    events      INTEGER NOT NULL DEFAULT 0,
    counted     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (environment, service)
) WITHOUT ROWID;

-- Totals of all that retention removed, by kind, for people.
CREATE TABLE pruned (
    kind    TEXT PRIMARY KEY,
    removed INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    last_at INTEGER NOT NULL
) WITHOUT ROWID;

-- When charts and earlier rankings of an ended investigation were removed; its summary stays.
ALTER TABLE investigations ADD COLUMN charts_removed_at INTEGER;

-- How many letters there are, how large and how old, without reading them.
CREATE INDEX letters_kept ON letters (last_failed_at, bytes);
