-- What a gateway said last of a child: whether it reaches it. null = nothing yet. A child never connects itself, so `online` cannot tell.
ALTER TABLE devices ADD COLUMN reachable boolean;
