-- What people are told of investigations: made in the transaction that stores what it tells of, content fixed from then on.
CREATE TABLE notifications (
    -- In the order they were made; never given twice, so that a delivery is never another notification's.
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT NOT NULL UNIQUE,
    investigation_id TEXT NOT NULL REFERENCES investigations (id),
    -- Counts those of an investigation.
    n                INTEGER NOT NULL,
    kind             TEXT NOT NULL,
    made_at          INTEGER NOT NULL,
    -- JSON, as it is sent.
    content          TEXT NOT NULL
);
CREATE UNIQUE INDEX notifications_of ON notifications (investigation_id, n);

-- To each channel that was configured when it was made.
CREATE TABLE deliveries (
    notification     INTEGER NOT NULL REFERENCES notifications (seq),
    channel          TEXT NOT NULL,
    investigation_id TEXT NOT NULL,
    state            TEXT NOT NULL,
    attempts         INTEGER NOT NULL,
    next_attempt_at  INTEGER,
    last_error       TEXT,
    ended_at         INTEGER,
    PRIMARY KEY (notification, channel)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries (channel, notification) WHERE state = 'waiting';
CREATE INDEX deliveries_waiting_of ON deliveries (channel, investigation_id, notification) WHERE state = 'waiting';
