-- A checkpoint's state is written in parts, each under the checkpoint's epoch, and holds from the moment `meta.epoch` says so:
-- of each key, the row of the newest epoch up to that one. NULL removes the key.
CREATE TABLE state_parts (
    n     INTEGER PRIMARY KEY,
    stage TEXT NOT NULL,
    key   BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    value BLOB,
    UNIQUE (stage, key, epoch)
);
INSERT INTO state_parts (stage, key, epoch, value)
    SELECT stage, key, coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'), 0), value FROM state ORDER BY n;
DROP TABLE state;
ALTER TABLE state_parts RENAME TO state;

-- Items whose event belongs to another position, as far as their partition may still be read again from before them. Those
-- before the partition's next offset are counted in `ledger.duplicates` instead.
CREATE TABLE duplicates (
    connector   TEXT NOT NULL,
    cluster     TEXT NOT NULL,
    topic       TEXT NOT NULL,
    incarnation INTEGER NOT NULL,
    partition   INTEGER NOT NULL,
    "offset"    INTEGER NOT NULL,
    event_id    TEXT NOT NULL,
    PRIMARY KEY (connector, cluster, topic, incarnation, partition, "offset", event_id)
) WITHOUT ROWID;
ALTER TABLE ledger ADD COLUMN duplicates INTEGER NOT NULL DEFAULT 0;
