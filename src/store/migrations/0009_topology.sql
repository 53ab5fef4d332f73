-- Who called whom, by hour of event time: a row is replaced as its hour goes on.

CREATE TABLE edge_hours (
    environment TEXT NOT NULL,
    -- First bucket of the hour.
    hour        INTEGER NOT NULL,
    caller      TEXT NOT NULL,
    callee      TEXT NOT NULL,
    -- First and newest bucket with calls.
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    calls       INTEGER NOT NULL,
    failed      INTEGER NOT NULL,
    duration_ns INTEGER NOT NULL,
    PRIMARY KEY (environment, hour, caller, callee)
) WITHOUT ROWID;
