-- Which topic a row's offsets belong to: a topic made anew under its old name has another id. NULL where no broker told it.
ALTER TABLE ledger ADD COLUMN topic_id TEXT;
