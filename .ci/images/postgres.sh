#!/bin/bash
# The entry point of the stand-in for PostgreSQL's image. It does what Testcontainers and compose.yaml use of the real
# one: POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, or files that they name with _FILE; the scripts of
# /docker-entrypoint-initdb.d; and server options as the command.
set -euo pipefail
[[ ${1:-} == -* ]] && set -- postgres "$@"
[[ ${1:-} == postgres ]] || exec "$@"

# The server refuses root.
if ((EUID == 0)); then
  mkdir -p "$PGDATA"
  chown postgres:postgres "$PGDATA"
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$0" "$@"
fi

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  for name in POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB; do
    file=${name}_FILE
    [[ -z ${!file:-} ]] || export "$name=$(<"${!file}")"
  done
  export POSTGRES_USER=${POSTGRES_USER:-postgres}
  export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
  initdb --username="$POSTGRES_USER" --pwfile=<(echo "${POSTGRES_PASSWORD:?is not set}") --encoding=UTF8 \
    --locale=C --auth-local=trust --auth-host=scram-sha-256 >/dev/null
  echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
  printf '%s\n' "listen_addresses = '*'" "unix_socket_directories = '/run/postgresql'" >>"$PGDATA/postgresql.conf"
  # On its socket only: a client that waits for TCP waits until the scripts are done.
  pg_ctl --wait start --options="-c listen_addresses=''" >/dev/null
  [[ $POSTGRES_DB == postgres ]] \
    || psql --username="$POSTGRES_USER" --dbname=postgres --quiet --command="CREATE DATABASE \"$POSTGRES_DB\""
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [[ -x $file ]]; then "$file"; else . "$file"; fi ;;
      *.sql) psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --file="$file" ;;
    esac
  done
  pg_ctl --mode=fast --wait stop >/dev/null
  echo 'PostgreSQL init process complete; ready for start up.'
fi
exec "$@"
