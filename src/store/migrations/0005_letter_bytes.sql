-- Bytes of dead letters that wait or are being replayed, by connector: what bounds each. Kept by triggers, so that whoever makes,
-- decides on or removes letters keeps it right.
CREATE TABLE letter_bytes (
    connector TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO letter_bytes (connector, bytes)
    SELECT connector, sum(CASE WHEN status IN ('waiting', 'replaying') THEN bytes ELSE 0 END) FROM letters GROUP BY connector;

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
