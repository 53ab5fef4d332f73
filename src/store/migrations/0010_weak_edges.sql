-- Where no call was seen: how many error texts of the caller named the callee. Such a row has no calls.

ALTER TABLE edge_hours ADD COLUMN mentions INTEGER NOT NULL DEFAULT 0;
