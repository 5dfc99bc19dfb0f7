-- A migration adds first; what is no longer used is removed one release later (docs/upgrade.md). One that removes says
-- here which migration a process must know to run without it, so that an older process says so and steps back, instead
-- of failing statement by statement.
CREATE TABLE schema_needs (
  migration text PRIMARY KEY, -- the one that removes
  least     text NOT NULL,    -- a process that does not know this one uses what is gone
  because   text NOT NULL     -- what is gone, as the end of a sentence: "by … <because>"
);
-- Each process asks before it works, whichever role it has.
GRANT SELECT ON schema_needs, kysely_migration TO slipway_api, slipway_worker;
