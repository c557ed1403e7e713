# Runs the server and ends it with its owner, however the owner ends.
#
# Arguments: the log file, the container's name or '', and the server's command.
# Input: a pipe held by the owner alone. A line is a signal for the server; its end means that the
# owner is gone, since a kernel closes the pipes of a process that was killed too.

log=$1 container=$2
shift 2

# Nothing of the owner's may stay open in the server: whoever reads the owner's output would wait
# for the server as well.
exec 3<&0 </dev/null >>"$log" 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

# Ctrl+C in a terminal reaches all that runs in it, but the owner alone decides when the server ends:
# it may have requests to finish. Hence also the server's own session or process group.
trap '' HUP INT QUIT TERM
if command -v setsid >/dev/null; then
  setsid "$@" 3<&- &
else
  set -m
  "$@" 3<&- &
  set +m
fi
server=$!

send() {
  if [ -n "$container" ]; then
    docker kill --signal "$1" "$container" >/dev/null
  else
    kill -s "$1" "$server"
  fi
}

(
  while read -r name; do send "$name"; done
  for name in INT QUIT KILL; do
    send "$name"
    seconds=0
    while [ "$seconds" -lt 10 ] && kill -s 0 "$server"; do
      sleep 1
      seconds=$((seconds + 1))
    done
  done
) <&3 3<&- 2>/dev/null &
reader=$!
exec 3<&-

wait "$server"
status=$?
kill -s KILL "$reader"
exit "$status"
