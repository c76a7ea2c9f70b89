#!/usr/bin/env bash
# Fetch Apache Kafka once, as pom.xml pins it, and print the directory that its jars are in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${LOCAL_KAFKA_HOME:-$HOME/.cache/squall/kafka}
version=$(sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml")
jars=$home/$version

if [ ! -d "$jars" ]; then
    if ! command -v mvn >/dev/null; then
        echo "expected Maven to fetch Apache Kafka $version with, found no mvn; install it (Debian: apt-get install maven)" >&2
        exit 1
    fi
    echo "fetching Apache Kafka $version into $jars, once" >&2
    mkdir -p "$home"
    # Whole or not at all, and two may fetch at the same time.
    fetched=$(mktemp -d "$home/fetching.XXXXXX")
    chmod 755 "$fetched"
    mvn --batch-mode --quiet --file "$here/pom.xml" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$fetched" >&2
    if ! mv -T "$fetched" "$jars" 2>/dev/null && [ ! -d "$jars" ]; then
        echo "expected to move $fetched to $jars, could not" >&2
        exit 1
    fi
fi
echo "$jars"
