# Runs the server, and ends it when its owner ends, even if the owner is killed.
#
# Arguments: the log file, the container's name or '', and the server's command.
# Input: a pipe that only the owner has open. A line is a signal for the server. The end of the input means that the
# owner has ended: the kernel also closes the pipes of a killed process.

log=$1 container=$2
shift 2

# The server must not keep the owner's files open: a reader of the owner's output would then also wait for the server.
exec 3<&0 </dev/null >>"$log" 2>&1 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-

# Ctrl+C in a terminal reaches all its processes, but only the owner decides when the server ends: it may have requests
# to finish. For the same reason the server has its own session or process group.
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
