-- The version of content by its digest, also of a firmware that was deleted: its tombstone stays.
CREATE INDEX firmwares_by_digest ON firmwares (tenant_id, sha256) WHERE sha256 IS NOT NULL AND version IS NOT NULL;
