#!/usr/bin/env bash
# Stop what start.sh started; data stays.
set -euo pipefail

data=${LOCAL_KAFKA_DATA:-$HOME/.local/share/squall/kafka}
stop_s=20

# A number in a file may have gone to another process since: only one that runs on that directory is a node of ours.
runs() { # PID NODE_DIRECTORY
    [ -r "/proc/$1/cmdline" ] && tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -e "$2" -e "$2/server.properties"
}

found=0
for file in "$data"/*/node-*/pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    node=$(cd "$(dirname "$file")" && pwd)
    if runs "$pid" "$node"; then
        found=1
        kill "$pid"
    else
        rm -f "$file"
    fi
done
deadline=$((SECONDS + stop_s))
for file in "$data"/*/node-*/pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    node=$(cd "$(dirname "$file")" && pwd)
    while runs "$pid" "$node" && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.1; done
    if runs "$pid" "$node"; then
        # The last nodes of a cluster find no controller any more that would take their leave.
        echo "$node did not end within $stop_s s; killed" >&2
        kill -KILL "$pid"
    fi
    rm -f "$file"
done
if [ "$found" -eq 0 ]; then echo "nothing runs in $data" >&2; fi
