-- Up to which device the targets know what an amended pace.offline means for them; null = all do.
ALTER TABLE rollouts ADD COLUMN admissible_to uuid;
