#!/bin/sh
# Run once by the image of PostgreSQL, when its volume is empty: the users and the database of docs/operations.md, "Your
# own PostgreSQL", and a user for Temporal, which makes its two databases itself.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set slipway="$SLIPWAY_POSTGRES_PASSWORD" --set temporal="$TEMPORAL_POSTGRES_PASSWORD" <<'SQL'
CREATE ROLE slipway_api NOLOGIN;
CREATE ROLE slipway_worker NOLOGIN;
CREATE ROLE slipway LOGIN PASSWORD :'slipway';
GRANT slipway_api, slipway_worker TO slipway;
CREATE DATABASE slipway OWNER slipway ENCODING 'UTF8' TEMPLATE template0;
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal';
SQL
