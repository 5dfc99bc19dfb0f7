-- The word of the code: a mark that starts a process, beside those that tell one that runs.
ALTER TABLE outbox RENAME COLUMN begins TO is_start;
