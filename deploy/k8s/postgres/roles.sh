#!/bin/sh
# PostgreSQL's image runs this when it creates its data, after demo.sql. It creates the gateway's role, which may
# connect and use the demo's tables only, and the control role. The passwords come from files, and are passed in psql
# variables, so that no process has one in its arguments.
set -eu
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\set password `cat "$GATEWAY_PASSWORD_FILE"`
\set control_password `cat "$CONTROL_PASSWORD_FILE"`
CREATE ROLE gateway LOGIN PASSWORD :'password';
CREATE ROLE gateway_control LOGIN PASSWORD :'control_password';
GRANT gateway TO gateway_control;
GRANT SELECT, INSERT, UPDATE, DELETE ON users, orders TO gateway;
SQL
