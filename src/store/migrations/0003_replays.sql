-- Dead letters can be decoded again: what that takes, and what came of it.

-- The record's Kafka time: items without a time of their own have this one.
ALTER TABLE letters ADD COLUMN kafka_time INTEGER;
-- Items that replays of it have read.
ALTER TABLE letters ADD COLUMN items_read INTEGER NOT NULL DEFAULT 0;
-- The last replay whose outcome is in this row: an outcome that comes again after a crash changes nothing.
ALTER TABLE letters ADD COLUMN last_replay INTEGER NOT NULL DEFAULT 0;

-- Whether the whole record was bad when it came, or items of it: the books count the one as a record, the other as items.
ALTER TABLE letters ADD COLUMN whole INTEGER NOT NULL DEFAULT 1;
UPDATE letters SET whole = bad_items = '[]';

-- Replays asked for, read by the pipeline like one more partition; removed once a checkpoint has passed them.
CREATE TABLE replays (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    letter INTEGER NOT NULL REFERENCES letters (n),
    edited BLOB,
    at     INTEGER NOT NULL
);
