#!/usr/bin/env bash
# An activity that reads all users, and prints a line of JSON for each. Its ID comes from the workflow, and is the same at each
# try; `numbers` keeps jq from rounding what bigint and numeric hold.
set -euo pipefail

jq --null-input --arg activity "${1:-example-run-1/list-users}" \
  '{activityId: $activity, sql: "SELECT * FROM users", numbers: "string"}' |
  "$(dirname "$0")/gateway.sh" query |
  jq --compact-output '.rows[]'
