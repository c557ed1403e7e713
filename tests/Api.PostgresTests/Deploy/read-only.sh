#!/usr/bin/env bash
# read-only.sh UID:GID PROGRAM ARGUMENT…: runs a program as an orchestrator runs the image: as that user, without
# capabilities or a way to get any, and without anything writable. The program replaces this process, so it gets its
# signals.
set -euo pipefail

# As root, it runs in a new mount namespace. Otherwise also in a new user namespace, in which we are root: only our own
# user exists there, and the program runs as that user.
if [[ ${1:-} != --inside ]]; then
  namespaces=(--mount --propagation private)
  ((EUID == 0)) || namespaces+=(--user --map-root-user)
  unshare "${namespaces[@]}" true || {
    echo "The test needs a mount namespace of its own (unshare ${namespaces[*]}): run it as root with CAP_SYS_ADMIN, or allow user namespaces." >&2
    exit 1
  }
  READ_ONLY_AS_ROOT=$((EUID == 0)) exec unshare "${namespaces[@]}" "$BASH" "$0" --inside "$@"
fi

user=$2
shift 2
# The kernel's own file systems can't store files; below /dev there are some that can.
while read -r _ place kind options _; do
  case $kind,$place in
    proc,* | sysfs,* | cgroup*,* | devtmpfs,* | devpts,* | securityfs,* | mqueue,*) ;;
    *)
      # If one can't be remounted, an unprivileged user must not be able to write to it; otherwise the test would prove
      # nothing.
      [[ $options == ro* ]] || fault=$(mount -o remount,bind,ro "$place" 2>&1) || [[ ! -w $place ]] || {
        echo "$place can't be made read-only: $fault" >&2
        exit 1
      }
      ;;
  esac
done </proc/mounts
for place in / /tmp /var/tmp /dev/shm "$HOME" "$(dirname "$1")"; do
  if [[ -d $place ]] && touch "$place/.written" 2>/dev/null; then
    rm -f "$place/.written"
    echo "$place can be written to." >&2
    exit 1
  fi
done
((READ_ONLY_AS_ROOT)) || exec "$@"
exec setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
