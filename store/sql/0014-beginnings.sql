-- What is to begin waits for room at the engine; what has begun does not wait behind it.
ALTER TABLE outbox ADD COLUMN begins boolean NOT NULL DEFAULT false;
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (receiver, begins, due_at);
