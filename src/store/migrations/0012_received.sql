-- Records that came without Kafka, until the books are past them. Offsets are dense by connector and never given twice.
CREATE TABLE received (
    n           INTEGER PRIMARY KEY,
    connector   TEXT NOT NULL,
    "offset"    INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    -- Of value, headers and row, as they count against the room there is.
    bytes       INTEGER NOT NULL,
    headers     BLOB NOT NULL,
    value       BLOB NOT NULL
);
CREATE UNIQUE INDEX received_offset ON received (connector, "offset");

CREATE TABLE received_queues (
    connector   TEXT PRIMARY KEY,
    -- Of the next record to come; goes on over restarts, and when all rows are gone.
    next_offset INTEGER NOT NULL,
    -- Sum of its rows in `received`.
    bytes       INTEGER NOT NULL
) WITHOUT ROWID;
