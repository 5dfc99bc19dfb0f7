-- Which credentials were revoked or went with their devices of late: a broker asks each second whom to cut off, and asking about all who are connected
-- took 10 ms of PostgreSQL for 2,000 of them. Written by the trigger, whoever ends a credential; forgotten after an hour. No tenant, as it says nothing of anybody; so the API's role may
-- not write it but by the trigger.
CREATE TABLE ended_credentials (
  id uuid        NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ended_credentials_at ON ended_credentials (at);
GRANT SELECT, DELETE ON ended_credentials TO slipway_worker;

CREATE FUNCTION note_ended_credential() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  INSERT INTO ended_credentials (id) VALUES (OLD.id);
  RETURN NULL;
END $$;

CREATE TRIGGER deleted AFTER DELETE ON device_credentials FOR EACH ROW EXECUTE FUNCTION note_ended_credential();
CREATE TRIGGER revoked AFTER UPDATE OF revoked_at ON device_credentials FOR EACH ROW
  WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL) EXECUTE FUNCTION note_ended_credential();
