-- A transaction of the API, bound to one tenant, could read the key by which the links of all tenants are signed, and the
-- bridge's name at the broker. The API reads the first as the service, once.
-- Older versions go on: they read it as the service, too.
REVOKE SELECT ON service_keys FROM slipway_api;
