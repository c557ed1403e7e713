#!/bin/sh
# Run by the image of PostgreSQL when it makes its data: the gateway's role, which may connect and use what it is granted, and
# nothing else. The password comes by a file, and by a variable of psql's: no process has it among its arguments.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\set password `cat "$GATEWAY_PASSWORD_FILE"`
CREATE ROLE gateway LOGIN PASSWORD :'password';
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL, ordered_at timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO gateway;
SQL
