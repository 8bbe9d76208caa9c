#!/usr/bin/env bash
# Real brokers and a database for tests and demos: NATS (JetStream), Mosquitto, PostgreSQL, from Debian's
# packages, on free loopback ports, with data folders of their own. See `scripts/services.sh --help`.
# shellcheck disable=SC2153,SC2154  # the ports and CERTS come from DIR/env
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
ALL=(nats mosquitto postgresql)

usage() {
  cat <<USAGE
usage: scripts/services.sh start|stop|status [--dir DIR] [--certificate NAME] [nats] [mosquitto] [postgresql]

Without names: all three. DIR (default .vantage/services) holds ports, certificates, logs and data;
a service that is stopped and started again keeps its port and its data. \`stop\` without names
removes DIR.

After \`start\`, DIR/env has the addresses as shell variables:
  NATS_URL, NATS_TLS_URL, MQTT_PORT, MQTT_TLS_PORT, PG_PORT, CERTS
Every password is "secret", every user "vantage". CERTS holds ca.pem, other-ca.pem, client.pem and client.key.
The TLS ports show server.pem (for localhost and 127.0.0.1), or with --certificate another one of CERTS: expired, or
elsewhere (for another host).
USAGE
}

fail() {
  printf 'services: error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

[[ ${1:-} =~ ^(start|stop|status)$ ]] || { usage >&2; exit 2; }
command=$1
shift
dir=$ROOT/.vantage/services
shown=server
names=()
while (($# > 0)); do
  case $1 in
    --dir) dir=${2:?--dir takes a folder} && shift ;;
    --certificate) shown=${2:?--certificate takes a name} && shift ;;
    nats | mosquitto | postgresql) names+=("$1") ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "unknown argument $1" ;;
  esac
  shift
done
everything=$((${#names[@]} == 0))
if ((everything)); then names=("${ALL[@]}"); fi

need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null || fail "$1 is not installed" "run scripts/setup.sh --tests, which installs $2"
}

running() { [[ -f $dir/$1.pid ]] && kill -0 "$(<"$dir/$1.pid")" 2>/dev/null; }

# A server's own words are in its log; the end of it usually says why it did not start.
wait_for() { # NAME PORT
  local _
  for _ in {1..200}; do
    running "$1" || fail "$1 ended at once" "$(tail -n 5 "$dir/$1.log")"
    if (exec 3<>"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then return; fi
    sleep 0.05
  done
  fail "$1 did not answer on port $2 within 10 s" "$(tail -n 5 "$dir/$1.log")"
}

# Ports that are free now, chosen once for a folder: a restarted broker must be where it was.
choose_ports() {
  [[ -f $dir/env ]] && return
  python3 - "$dir" <<'PYTHON'
import pathlib, socket, sys

names = ["NATS_PORT", "NATS_TLS_PORT", "MQTT_PORT", "MQTT_TLS_PORT", "PG_PORT"]
held = [socket.socket() for _ in names]
for one in held:
    one.bind(("127.0.0.1", 0))
ports = {name: one.getsockname()[1] for name, one in zip(names, held)}
lines = [f"{name}={port}" for name, port in ports.items()]
lines.append(f"NATS_URL=nats://127.0.0.1:{ports['NATS_PORT']}")
lines.append(f"NATS_TLS_URL=tls://localhost:{ports['NATS_TLS_PORT']}")
lines.append(f"CERTS={sys.argv[1]}/certs")
pathlib.Path(sys.argv[1], "env").write_text("\n".join(lines) + "\n")
PYTHON
}

certificates() {
  local certs=$dir/certs
  [[ -f $certs/client.pem ]] && return
  need openssl openssl
  mkdir -p "$certs"
  local quiet=$dir/openssl.log
  authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=Test authority $1" \
      -keyout "$certs/$1.key" -out "$certs/$1.pem" 2>>"$quiet"
  }
  leaf() { # NAME SUBJECT EXTENSION DAYS
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$2" \
      -keyout "$certs/$1.key" -out "$certs/$1.csr" 2>>"$quiet"
    openssl x509 -req -in "$certs/$1.csr" -CA "$certs/ca.pem" -CAkey "$certs/ca.key" -CAcreateserial -days "$4" \
      -extfile <(printf '%s\n' "$3") -out "$certs/$1.pem" 2>>"$quiet"
  }
  authority ca
  authority other-ca
  leaf server localhost "subjectAltName=DNS:localhost,IP:127.0.0.1" 2
  leaf elsewhere elsewhere.example "subjectAltName=DNS:elsewhere.example" 2
  leaf expired localhost "subjectAltName=DNS:localhost,IP:127.0.0.1" -1
  leaf client vantage "extendedKeyUsage=clientAuth" 2
}

start_nats() {
  need nats-server nats-server
  # One listener a server: the second one is the same broker behind TLS, as an account with a password.
  cat >"$dir/nats.conf" <<CONF
listen: "127.0.0.1:$NATS_PORT"
jetstream { store_dir: "$dir/nats" }
CONF
  nats-server -c "$dir/nats.conf" >>"$dir/nats.log" 2>&1 &
  echo $! >"$dir/nats.pid"
  wait_for nats "$NATS_PORT"
  cat >"$dir/nats-tls.conf" <<CONF
listen: "127.0.0.1:$NATS_TLS_PORT"
jetstream { store_dir: "$dir/nats-tls" }
authorization { user: vantage, password: secret }
tls { cert_file: "$CERTS/$shown.pem", key_file: "$CERTS/$shown.key", ca_file: "$CERTS/ca.pem", verify: true }
CONF
  nats-server -c "$dir/nats-tls.conf" >>"$dir/nats-tls.log" 2>&1 &
  echo $! >"$dir/nats-tls.pid"
  wait_for nats-tls "$NATS_TLS_PORT"
}

start_mosquitto() {
  need mosquitto mosquitto
  need mosquitto_passwd mosquitto
  [[ -f $dir/passwords ]] || mosquitto_passwd -c -b "$dir/passwords" vantage secret
  chmod 600 "$dir/passwords"
  mkdir -p "$dir/mosquitto"
  cat >"$dir/mosquitto.conf" <<CONF
user $(id -un)
per_listener_settings true
set_tcp_nodelay true
persistence true
persistence_location $dir/mosquitto/
max_inflight_messages 0
max_queued_messages 0
listener $MQTT_PORT 127.0.0.1
allow_anonymous true
listener $MQTT_TLS_PORT 127.0.0.1
allow_anonymous false
password_file $dir/passwords
cafile $CERTS/ca.pem
certfile $CERTS/$shown.pem
keyfile $CERTS/$shown.key
CONF
  mosquitto -c "$dir/mosquitto.conf" >>"$dir/mosquitto.log" 2>&1 &
  echo $! >"$dir/mosquitto.pid"
  wait_for mosquitto "$MQTT_PORT"
}

# PostgreSQL refuses to run as root: then it runs as the user that Debian's package made for it.
as_postgres() {
  if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

start_postgresql() {
  local bin
  bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  [[ -x $bin/initdb ]] || fail "PostgreSQL is not installed" "run scripts/setup.sh --tests, which installs it"
  local data
  if [[ ! -f $dir/postgresql.data ]]; then
    data=$(mktemp -d "${TMPDIR:-/tmp}/vantage-postgresql.XXXXXX")
    echo "$data" >"$dir/postgresql.data"
    cp "$CERTS/ca.pem" "$data/"
    cp "$CERTS/$shown.pem" "$data/server.pem"
    cp "$CERTS/$shown.key" "$data/server.key"
    printf 'secret\n' >"$data/password"
    if ((EUID == 0)); then chown -R postgres "$data"; fi
    chmod 600 "$data"/server.key
    as_postgres "$bin/initdb" --no-sync -D "$data/db" -U vantage -A scram-sha-256 --pwfile "$data/password" \
      -E UTF8 --locale C >>"$dir/postgresql.log" 2>&1 || fail "initdb failed" "$(tail -n 5 "$dir/postgresql.log")"
  fi
  data=$(<"$dir/postgresql.data")
  # With commit timestamps a test can ask in which order rows became visible.
  as_postgres "$bin/postgres" -D "$data/db" -p "$PG_PORT" -c listen_addresses=127.0.0.1 -c track_commit_timestamp=on \
    -c unix_socket_directories="$data" -c ssl=on -c ssl_cert_file="$data/server.pem" \
    -c ssl_key_file="$data/server.key" -c ssl_ca_file="$data/ca.pem" >>"$dir/postgresql.log" 2>&1 &
  echo $! >"$dir/postgresql.pid"
  local _
  for _ in {1..200}; do
    running postgresql || fail "postgresql ended at once" "$(tail -n 5 "$dir/postgresql.log")"
    if "$bin/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT"; then break; fi
    sleep 0.05
  done
  "$bin/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT" || fail "postgresql was not ready within 10 s"
  # runuser stays between us and the server: the server's own pid is the one to signal.
  head -n 1 "$data/db/postmaster.pid" >"$dir/postgresql.pid"
}

stop_one() { # NAME: asks, waits 10 s, then insists
  local pid _
  [[ -f $dir/$1.pid ]] || return 0
  pid=$(<"$dir/$1.pid")
  rm -f "$dir/$1.pid"
  # SIGINT is PostgreSQL's fast shutdown; SIGTERM waits for its clients to leave.
  if [[ $1 == postgresql ]]; then kill -INT "$pid" 2>/dev/null || return 0; else kill "$pid" 2>/dev/null || return 0; fi
  for _ in {1..200}; do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.05
  done
  kill -KILL "$pid" 2>/dev/null || true
}

case $command in
  start)
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    choose_ports
    # shellcheck source=/dev/null
    source "$dir/env"
    certificates
    for name in "${names[@]}"; do
      if ! running "$name"; then "start_$name"; fi
    done
    cat "$dir/env"
    ;;
  stop)
    [[ -d $dir ]] || exit 0
    dir=$(cd "$dir" && pwd)
    for name in "${names[@]}"; do
      stop_one "$name"
      if [[ $name == nats ]]; then stop_one nats-tls; fi
    done
    if ((everything)); then
      if [[ -f $dir/postgresql.data ]]; then rm -rf "$(<"$dir/postgresql.data")"; fi
      rm -rf "$dir"
    fi
    ;;
  status)
    for name in "${names[@]}"; do
      if running "$name"; then printf '%s: running, pid %s\n' "$name" "$(<"$dir/$name.pid")"; else printf '%s: not running\n' "$name"; fi
    done
    ;;
esac
