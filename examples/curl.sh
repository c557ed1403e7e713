#!/usr/bin/env bash
# The gateway with nothing but curl, on the demo data. GATEWAY_URL says where it is, GATEWAY_API_KEY who calls, where the
# gateway asks for that. shell/gateway.sh sends again what fails; this does not.
set -euo pipefail

gateway=${GATEWAY_URL:-http://localhost:8080}
gateway=${gateway%/}

# ask PATH [OPTION…]. The key comes from a file that is none, as all users of the machine can read a command line.
# --fail-with-body ends with an error on any status from 400, and prints the problem all the same.
ask() {
  curl --silent --show-error --fail-with-body --max-time 25 \
    --header @<(printf '%s' "${GATEWAY_API_KEY:+Authorization: Bearer $GATEWAY_API_KEY}") "${@:2}" "$gateway/v1/$1"
}

# call ENDPOINT, with the request's JSON on standard input.
call() {
  ask "$1" --header 'Content-Type: application/json' --data-binary @-
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
echo '# A write, sent twice as if the first answer had been lost: one order, and the same answer, from its record.'
for try in 1 2; do
  call execute <<JSON
{
  "activityId": "example-run-1/place-order",
  "attempt": $try,
  "sql": "INSERT INTO orders (user_id, total) SELECT id, 42.50 FROM users WHERE email = \$1 RETURNING id",
  "parameters": ["grace@example.org"],
  "expect": {"rowCount": 1}
}
JSON
done

echo
echo '# Several statements, all or nothing; a parameter may be a value of an earlier result.'
call transaction <<'JSON'
{
  "activityId": "example-run-1/place-another",
  "statements": [
    {
      "sql": "INSERT INTO orders (user_id, total) VALUES (:user, :total) RETURNING id",
      "parameters": {"user": 3, "total": 7}
    },
    {
      "sql": "UPDATE users SET settings = settings || jsonb_build_object('lastOrder', $1::bigint) WHERE id = $2",
      "parameters": [{"$ref": "/0/rows/0/id"}, 3],
      "expect": {"rowCount": 1}
    }
  ]
}
JSON

echo
echo '# What became of an activity. Its ID is percent-encoded in a path, the slash too.'
ask activities/example-run-1%2Fplace-order
echo

echo
echo '# An error: a problem with a code, the SQLSTATE of PostgreSQL, and in X-Should-Retry whether to send it again.'
if ask query --include --header 'Content-Type: application/json' --data-binary @- <<'JSON'
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
