#!/bin/sh
# passwords.sh FOLDER: makes the passwords and a caller's key for compose.yaml, once; each container gets a folder with what it needs,
# and nobody else can read it. Nothing of it is in the repository, so nobody's database has a password that everybody knows.
set -eu
umask 077
cd "$1"

# 256 bits that stand in a URI as they are.
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
    # The users that the images run as: the gateway's, and PostgreSQL's.
    chown -R 1654:1654 gateway journal
    chown -R 999:999 postgres
  fi
  # The last: whoever finds it finds the others.
  mv caller/key.new caller/key
fi

echo "The caller's key, for Authorization: Bearer: $(cat caller/key)"
