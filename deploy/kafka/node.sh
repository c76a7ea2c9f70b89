#!/usr/bin/env bash
# Be one node of Apache Kafka, in the foreground: node.sh DIRECTORY ID NODES PORT
#
# DIRECTORY keeps its data; made when it is missing. ID counts from 0. Every node takes three ports, from PORT + 3 * ID:
# clients, other brokers, controllers; all on the loopback interface. LOCAL_KAFKA_EXTRA names a file of further
# properties, LOCAL_KAFKA_USERS one of SCRAM credentials, a line each: SCRAM-SHA-512=[name=NAME,password=PASSWORD]
set -euo pipefail

if [ $# -ne 4 ]; then
    echo "usage: $0 DIRECTORY ID NODES PORT" >&2
    exit 2
fi
id=$2 nodes=$3 port=$4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The same for all nodes of a cluster; there is no second one to be confused with.
cluster=c3F1YWxsLWthZmthLXNxdQ
if ! command -v java >/dev/null; then
    echo "expected Java 17 or newer to run Apache Kafka with, found no java (Debian: apt-get install default-jre-headless)" >&2
    exit 1
fi
jars=$("$here/fetch.sh")
mkdir -p "$1/tmp"
directory=$(cd "$1" && pwd)

copies=1 in_sync=1
if [ "$nodes" -ge 3 ]; then copies=3 in_sync=2; fi
own=$((port + 3 * id))
voters=
for ((node = 0; node < nodes; node++)); do voters+="${voters:+,}$node@127.0.0.1:$((port + 3 * node + 2))"; done
addresses="CLIENT://127.0.0.1:$own,INTERNAL://127.0.0.1:$((own + 1))"
{
    cat "$here/server.properties"
    echo "node.id=$id"
    echo "controller.quorum.voters=$voters"
    echo "listeners=$addresses,CONTROLLER://127.0.0.1:$((own + 2))"
    echo "advertised.listeners=$addresses"
    echo "log.dirs=$directory/data"
    echo "default.replication.factor=$copies"
    echo "offsets.topic.replication.factor=$copies"
    echo "transaction.state.log.replication.factor=$copies"
    echo "share.coordinator.state.topic.replication.factor=$copies"
    echo "min.insync.replicas=$in_sync"
    echo "transaction.state.log.min.isr=$in_sync"
    echo "share.coordinator.state.topic.min.isr=$in_sync"
    if [ -n "${LOCAL_KAFKA_EXTRA:-}" ]; then cat "$LOCAL_KAFKA_EXTRA"; fi
} >"$directory/server.properties"

machine=(java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Djava.io.tmpdir=$directory/tmp"
    "-Dlog4j2.configurationFile=file:$here/log4j2.properties" -cp "$jars/*")
if [ ! -e "$directory/data/meta.properties" ]; then
    users=()
    if [ -n "${LOCAL_KAFKA_USERS:-}" ]; then
        # As a file, for what stands on a command line everybody can read.
        (umask 077 && sed '/^$/d; s/^/--add-scram\n/' "$LOCAL_KAFKA_USERS" >"$directory/users")
        users=("@$directory/users")
    fi
    # It repeats the credentials on its output.
    "${machine[@]}" kafka.tools.StorageTool format -t "$cluster" -c "$directory/server.properties" "${users[@]}" >/dev/null
fi
exec "${machine[@]}" kafka.Kafka "$directory/server.properties"
