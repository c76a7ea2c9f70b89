#!/usr/bin/env bash
# Start Apache Kafka on this machine, without Docker: start.sh single | start.sh cluster
#
# Data and logs: ${LOCAL_KAFKA_DATA:-~/.local/share/squall/kafka}/{single,cluster}/. First port: ${LOCAL_KAFKA_PORT:-9092}.
set -euo pipefail

case "${1:-}" in
    single) nodes=1 ;;
    cluster) nodes=3 ;;
    *)
        echo "usage: $0 single|cluster" >&2
        exit 2
        ;;
esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=${LOCAL_KAFKA_DATA:-$HOME/.local/share/squall/kafka}/$1
port=${LOCAL_KAFKA_PORT:-9092}
start_s=60

"$here/fetch.sh" >/dev/null
servers=
for ((id = 0; id < nodes; id++)); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$((port + 3 * id))") 2>/dev/null; then
        echo "expected port $((port + 3 * id)) to be free, something listens there; see stop.sh, or set LOCAL_KAFKA_PORT" >&2
        exit 1
    fi
    servers+="${servers:+,}127.0.0.1:$((port + 3 * id))"
done
for ((id = 0; id < nodes; id++)); do
    mkdir -p "$data/node-$id"
    node=$(cd "$data/node-$id" && pwd)
    : >"$node/log"
    # In a session of its own, so that it outlives this terminal.
    setsid "$here/node.sh" "$node" "$id" "$nodes" "$port" >>"$node/log" 2>&1 </dev/null &
    echo $! >"$node/pid"
done
for ((id = 0; id < nodes; id++)); do
    node=$data/node-$id
    deadline=$((SECONDS + start_s))
    until grep -q "Kafka Server started" "$node/log"; do
        if ! kill -0 "$(cat "$node/pid")" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            tail -n 20 "$node/log" >&2
            echo "expected node $id to start within $start_s s, it did not; its log: $node/log" >&2
            exit 1
        fi
        sleep 0.2
    done
done
echo "$servers"
