#!/usr/bin/env bash
# The figures of docs/performance.md, on a machine where nothing else runs; one JSON line each, into
# cpu.jsonl in $OUT or here.
#   STORE=folder bash benchmarks/cpu.sh              everything, 45 minutes of two cores
#   STORE=folder bash benchmarks/cpu.sh step base    some parts: see the last lines
#   STORE=folder SIZE=tiny SECONDS_EACH=.1 bash benchmarks/cpu.sh step    does it run at all?
# The store is PTB-XL at 100 Hz (docs/results.md). Elsewhere: the server (attacks.sh server soak), the
# index of a million (index.py), GPUs (gpu.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=src
size=${SIZE:-small} each=${SECONDS_EACH:-}

# run SECONDS SCRIPT [option ...]
run() {
  local seconds=$1 script=$2
  shift 2
  python "benchmarks/$script.py" "$@" --seconds "${each:-$seconds}" | grep --line-buffered '^{' |
    tee -a "${OUT:-.}/cpu.jsonl"
}

ceilings() { run 4 ceilings --threads 2; run 4 ceilings --threads 1; }

step() {
  run 25 step --size "$size" --recordings 16 --threads 2
  run 15 step --size "$size" --recordings 16 --threads 2 --compile
}

base() {
  run 90 step --size base --recordings 4 --threads 2
  run 45 step --size base --recordings 4 --threads 2 --recompute
}

operators() { run 0 step --size base --recordings 4 --threads 2 --profile; }

# Peak memory of 32 segments at base size: MB, a line each.
memory() {
  local who how found
  for who in reference_fp32 ours_fp32 ours_bf16; do
    for how in "" --recompute; do
      [ "$who$how" = reference_fp32--recompute ] && continue
      found=$(python benchmarks/step.py --size base --recordings 16 --memory-of "$who" $how)
      echo "{\"benchmark\": \"memory\", \"who\": \"$who $how\", \"mb\": $found}" |
        tee -a "${OUT:-.}/cpu.jsonl"
    done
  done
}

prepare() {
  local rate
  for rate in 500 250 100; do run 12 prepare --threads 1 --sample-rate $rate; done
}

# One ECG in some formats.
reading() {
  local folder
  folder=$(mktemp -d)
  python - "$folder" <<'PY'
import sys
from anylead import datasets
from anylead.commands.convert_ecg import WRITERS
from pathlib import Path

record = next(iter(datasets.corpus("synthetic", num_patients=1).records()))
for ending in (".hea", ".csv", ".edf", ".dcm"):
    WRITERS[ending](record, Path(sys.argv[1], f"ecg{ending}"))
sys.path.append("tests")
from format_samples.clinical import muse_xml  # MUSE is not written by the package

muse_xml(Path(sys.argv[1]), repeats=50)  # 5,000 samples
PY
  run 10 reading "$folder"/ecg.{hea,csv,edf,dcm} "$folder"/checked.xml
  rm -rf "$folder"
}

loading() { run 6 loading --threads 1 --recordings 400; }
scaling() { run 5 scaling; }
states() { run 10 checkpoint --threads 2; }

inference() {
  run 4 inference --size "$size" --threads 2
  run 4 inference --size base --threads 2 --only embed_1,embed_32
}

startup() { run 6 startup; }
shares() { run 0 shares --size "$size" --store "$STORE"; }
threads() { run 30 threads; }

evaluate() {
  local precision
  for precision in fp32 bf16; do
    run 0 evaluating ptbxl-small "$STORE" --split valid --precision $precision
  done
}

# Whole commands over all recordings.
whole() {
  run 0 whole_store embed "$STORE"
  run 0 whole_store embed "$STORE" --precision bf16
  run 0 whole_store predict "$STORE" --workers 2
  run 0 whole_store delineate "$STORE" --workers 2
}

exported() {
  local precision
  for precision in fp16 int8; do
    run 0 exported ptbxl-small "$STORE" --split valid --precision $precision
  done
}

for part in ${@:-ceilings step base operators memory prepare reading loading scaling states inference startup \
  shares threads evaluate whole exported}; do
  echo "$part" >&2
  "$part"
done
