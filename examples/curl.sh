#!/usr/bin/env bash
# The gateway with nothing but curl, on the demo data. GATEWAY_URL says where it is.
set -euo pipefail

gateway=${GATEWAY_URL:-http://localhost:8080}
gateway=${gateway%/}

# call ENDPOINT, with the request's JSON on standard input. --fail-with-body ends with an error on any status from 400,
# and prints the problem all the same.
call() {
  curl --silent --show-error --fail-with-body --max-time 25 \
    --header 'Content-Type: application/json' --data-binary @- "$gateway/v1/$1"
  echo
}

echo '# A query. The activity ID is made by the workflow, and is the same at each try.'
call query <<'JSON'
{
  "activityId": "example-run-1/list-users",
  "sql": "SELECT * FROM users ORDER BY id"
}
JSON

echo
echo '# Named parameters; an array is one parameter. $1, $2 … with an array of parameters work too.'
call query <<'JSON'
{
  "activityId": "example-run-1/recent-users",
  "sql": "SELECT id, name, created_at::date FROM users WHERE created_at > :since AND id = ANY(:ids) ORDER BY id",
  "parameters": {"since": "2026-02-01", "ids": [1, 2, 3]}
}
JSON

echo
echo '# A write. At-least-once: it sets a value rather than adding to one, so twice is the same as once.'
echo '# Anything but one row would be rolled back.'
call execute <<'JSON'
{
  "activityId": "example-run-1/rename-user",
  "delivery": "at-least-once",
  "sql": "UPDATE users SET name = $1 WHERE email = $2",
  "parameters": ["Grace Hopper", "grace@example.org"],
  "expect": {"rowCount": 1}
}
JSON

echo
echo '# An error: a problem with a code, the SQLSTATE of PostgreSQL, and in X-Should-Retry whether to send it again.'
if curl --silent --show-error --fail-with-body --max-time 25 --include \
  --header 'Content-Type: application/json' --data-binary @- "$gateway/v1/query" <<'JSON'
{
  "activityId": "example-run-1/typo",
  "sql": "SELECT * FROM userz"
}
JSON
then
  echo 'That should have failed.' >&2
  exit 1
else
  # 22: an HTTP status from 400. Anything else is curl's own trouble.
  [[ $? -eq 22 ]]
fi
echo
