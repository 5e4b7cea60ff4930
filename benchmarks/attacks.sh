#!/usr/bin/env bash
# What the package is to endure, measured: one JSON line each, into attacks.jsonl in $OUT or here.
#   bash benchmarks/attacks.sh                 everything, hours on two cores of their own
#   bash benchmarks/attacks.sh server faults   some parts: server soak faults pairs
#   SIZE=tiny SECONDS_EACH=2 REQUESTS=200 TIMES=1 bash benchmarks/attacks.sh    does it run at all?
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=src OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
size=${SIZE:-small} seconds=${SECONDS_EACH:-60} requests=${REQUESTS:-10000} times=${TIMES:-10}
folder=$(mktemp -d)
pid= failed=0
trap 'stop; rm -rf "$folder"' EXIT
tell() { tee -a "${OUT:-.}/attacks.jsonl"; }
anylead() { python -m anylead "$@"; }

# model SIZE: fine-tuned for one step, as speed does not depend on weights.
model() {
  [ -e "$folder/store" ] || anylead prepare synthetic -o "$folder/store" --options.num_patients 40
  [ -e "$folder/$1" ] || anylead finetune --data.store "$folder/store" --out "$folder/$1" \
    --model.encoder.size "$1" --train.steps 1 --train.batch_size 4 --train.device cpu
}

# serve SIZE [option ...]: the server, until `stop`.
serve() {
  model "$1"
  python -m anylead serve "$folder/$1" --port 8123 --device cpu "${@:2}" >"$folder/log" 2>&1 &
  pid=$!
}
stop() {
  [ -z "$pid" ] || { kill "$pid" && wait "$pid"; } || true
  pid=
}
load() { python benchmarks/serve_load.py --url http://127.0.0.1:8123 "$@" | tell || failed=1; }

# Waiting times with and without batches, malformed requests, clients that send a byte a second.
server() {
  serve "$size"
  load --clients 32 --seconds "$seconds" --malformed 1000 --slow 600
  stop
  serve "$size" --limits.batch_windows 1
  load --clients 32 --seconds "$seconds"
  stop
}

# Memory over many requests, and over little ones that stand for gigabytes.
soak() {
  serve tiny
  load --soak "$requests" --pid "$pid"
  load --bombs "$times" --pid "$pid"
  stop
}

# Ctrl-C and kill -9 at any moment of every command.
faults() { python benchmarks/faults.py --times "$times" | tell || failed=1; }

# Two processes of every command that write in one place.
pairs() { python benchmarks/pairs.py --times "$times" | tell || failed=1; }

for part in ${@:-server soak faults pairs}; do "$part"; done
exit $failed
