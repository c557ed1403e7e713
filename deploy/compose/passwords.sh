#!/bin/sh
# passwords.sh FOLDER: creates the passwords and a caller's key for compose.yaml, once. Each container gets a folder
# with the files it needs, which others can't read. No password is in the repository, so no database has a publicly
# known one.
set -eu
umask 077
cd "$1"

# 256 bits, in characters that a URI needs no escapes for.
random() {
  head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}

if [ ! -f caller/key ]; then
  mkdir -p caller gateway journal postgres
  random >postgres/postgres.password
  random >postgres/gateway.password
  random >postgres/control.password
  printf 'gw_%s' "$(random)" >caller/key.new
  cp postgres/gateway.password gateway/default.password
  cp postgres/control.password gateway/default.control-password
  sha256sum <caller/key.new | cut -d ' ' -f 1 >gateway/Gateway__Callers__demo__Keys__0
  cp gateway/* journal
  printf 'postgresql://postgres:%s@postgres:5432/app' "$(cat postgres/postgres.password)" >journal/ADMIN_DSN
  if [ "$(id -u)" -eq 0 ]; then
    # The users of the images: the gateway's, and PostgreSQL's.
    chown -R 1654:1654 gateway journal
    chown -R 999:999 postgres
  fi
  # Created last: if it exists, the others exist too.
  mv caller/key.new caller/key
fi

echo "The caller's key, for Authorization: Bearer: $(cat caller/key)"
