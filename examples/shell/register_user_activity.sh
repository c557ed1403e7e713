#!/usr/bin/env bash
# register_user_activity.sh EMAIL NAME: an activity that writes, and prints the user's ID. The gateway records its answer under
# the activity ID, in the transaction of the write: the plain INSERT below runs once, however often the activity is run. A user
# whom another activity has made is an error, sql_error.
set -euo pipefail

email=${1:?EMAIL is required} name=${2:?NAME is required}

# jq quotes what comes from outside: never put it into the text of JSON or SQL.
jq --null-input --arg activity "example-run-1/register/$email" --arg email "$email" --arg name "$name" '{
  activityId: $activity,
  sql: "INSERT INTO users (email, name) VALUES (:email, :name) RETURNING id",
  parameters: {$email, $name},
  numbers: "string"
}' | "$(dirname "$0")/gateway.sh" execute | jq --raw-output '.rows[0].id'
