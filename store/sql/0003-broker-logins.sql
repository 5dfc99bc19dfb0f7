-- What a broker needs that has to be told who may connect (docs/decisions/0002-mosquitto-credentials.md): its plugin takes passwords as
-- they are, and a hash cannot be told. They are sealed to a key pair whose private half is derived from the broker's administrator
-- password, which stands nowhere in this database; where no broker is administered there is no key, and nothing is sealed.
CREATE TABLE broker_seal (
  only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
  public_key bytea NOT NULL,                          -- X25519, DER
  since      timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON broker_seal TO slipway_api;
GRANT SELECT, INSERT, UPDATE ON broker_seal TO slipway_worker;

ALTER TABLE device_credentials ADD COLUMN sealed bytea;  -- store/fleet/sealed-passwords.ts; erased when the password is revoked

-- Whoever knows the bridge's client id could end its connection at a broker that does not tie client ids to identities. Nobody ever types it.
INSERT INTO service_keys (name, value)
  VALUES ('bridge-client-id', decode(replace(gen_random_uuid()::text, '-', ''), 'hex'));
