#!/usr/bin/env bash
# The gateway from a script: sends a request until it is answered, and prints the answer. It needs curl 7.76 or later, and jq.
#
#     echo '{"activityId": "try/1", "sql": "SELECT * FROM users"}' | gateway.sh query
#
# gateway.sh query|execute|transaction [ATTEMPT [TRIES]] <REQUEST
#
# ATTEMPT is which try of the activity this is, as whatever runs the script counts, and TRIES how often the request is sent at
# most; 1 and 5. While an earlier attempt is still running (activity_in_flight), sending it does not count. GATEWAY_URL says where the gateway is, else http://localhost:8080, and GATEWAY_API_KEY who calls, where the
# gateway asks for that. Where it fails for good it prints the error's code, detail, status, retryable, committed and attempt, and
# the whole problem, as JSON on standard error, and ends with 1.
set -euo pipefail

endpoint=${1:?query, execute or transaction is required}
first=${2:-1}
tries=${3:-5}
url=${GATEWAY_URL:-http://localhost:8080}
url=${url%/}/v1/$endpoint

# Every try is the same request under the same activity ID, or it would be another activity.
request=$(</dev/stdin)
jq --exit-status 'has("activityId") and (has("attempt") | not)' <<<"$request" >/dev/null 2>&1 || {
  echo 'The request is a JSON object with an activityId; the attempt is an argument.' >&2
  exit 2
}
# What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
patience=$(jq '(.timeoutMs // 15000) / 1000 + 10' <<<"$request")

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT

# send ATTEMPT; gives the status. The attempt is put before the first field as text: jq would round numbers. The key comes from
# a file that is none, as all users of the machine can read a command line.
send() {
  curl --silent --show-error --max-time "$patience" --dump-header "$folder/headers" --output "$folder/answer" \
    --header @<(printf '%s' "${GATEWAY_API_KEY:+Authorization: Bearer $GATEWAY_API_KEY}") \
    --header 'Content-Type: application/json' --header 'Accept: application/json' \
    --write-out '%{http_code}' --data-binary @- "$url" 2>"$folder/lost" <<<"{\"attempt\": $1,${request#*\{}"
}

# header NAME, in small letters
header() {
  awk -v name="$1:" 'tolower($1) == name { sub(/\r$/, ""); value = $2 } END { print value }' "$folder/headers"
}

# pause FAILED; seconds: what the gateway asked for, else doubling; never all callers at the same moment.
pause() {
  awk -v wait="$wait" -v failed="$1" -v chance=$((RANDOM % 1000)) 'BEGIN {
    longest = 60
    pause = wait ~ /^[0-9]+$/ ? wait : 0.25 * 2 ^ failed
    if (pause > longest) pause = longest
    printf "%.3f", wait ~ /^[0-9]+$/ ? pause + chance / 2000 : pause * (0.5 + chance / 2000)
  }'
}

# error CODE DETAIL, over what the problem says.
error() {
  jq --compact-output --arg code "$1" --arg detail "$2" --argjson status "${status:-null}" \
    --argjson retryable "$retryable" --argjson attempt "$attempt" '{
      code: (.code // $code), detail: (.detail // $detail), $status, $retryable,
      committed: (.committed // "unknown"), $attempt, problem: .
    }' <<<"${problem:-"{}"}" >&2
  exit 1
}

# For this time after the first sending, an earlier attempt that is still running does not count. The longest timeoutMs
# is 5 minutes.
in_flight_patience=330

failed=0
for ((attempt = first; ; attempt++)); do
  status='' problem='' wait='' retryable=false
  code=unreachable
  : >"$folder/answer"
  if status=$(send "$attempt"); then
    if [[ $status == 2* ]]; then
      jq empty "$folder/answer" 2>/dev/null && [[ -s $folder/answer ]] && break
      error invalid_response "$url answers, but not with JSON: is it the gateway?"
    fi
    problem=$(jq --compact-output 'select(type == "object")' "$folder/answer" 2>/dev/null) || problem=''
    code=$(jq --raw-output --arg code "http_$status" '.code // $code' <<<"${problem:-"{}"}") detail="HTTP status $status"
    wait=$(header retry-after)
    retryable=$(header x-should-retry)
    if [[ $retryable ]]; then
      [[ ${retryable,,} == true ]] && retryable=true || retryable=false
    else
      # Only something between us and the gateway leaves the header out.
      [[ $status =~ ^(408|409|429|5..)$ ]] && retryable=true || retryable=false
    fi
  else
    # Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes sending it again
    # safe: what has been committed is recorded under it.
    status='' retryable=true detail="no answer from $url: $(<"$folder/lost")"
  fi
  if [[ $code != activity_in_flight ]] || ((SECONDS > in_flight_patience)); then
    failed=$((failed + 1))
  fi
  if [[ $retryable == false ]] || ((failed >= tries)); then
    error "$code" "$detail"
  fi
  sleep "$(pause "$failed")"
done

cat "$folder/answer"
echo
