-- How far a replay is, and why a letter was discarded, outlive the page that asked for it.

-- Every decision to decode letters again; its replays have the ids from `first` to `last`.
CREATE TABLE replay_runs (
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    who         TEXT NOT NULL,
    -- One of the three, or none for all that waited.
    letter_id   TEXT,
    fingerprint TEXT,
    connector   TEXT,
    edited      INTEGER NOT NULL,
    first       INTEGER NOT NULL,
    last        INTEGER NOT NULL
);

ALTER TABLE letters ADD COLUMN discard_reason TEXT;
CREATE INDEX letters_last_replay ON letters (last_replay) WHERE last_replay > 0;
