#!/usr/bin/env bash
# What is to be measured on one GPU; one JSON line each, into gpu.jsonl in $OUT or here.
#   bash benchmarks/gpu.sh                  everything, about 20 minutes on an H200
#   bash benchmarks/gpu.sh ceilings step    some parts: ceilings step inference loop profile
#   STORE=folder bash benchmarks/gpu.sh loop    with a store of yours; else one is generated
#   DEVICE=cpu SIZE=tiny RECORDINGS="4 8" SECONDS_EACH=1 bash benchmarks/gpu.sh    does it run at all?
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=src DEVICE=${DEVICE:-cuda} SIZE=${SIZE:-base}
seconds=${SECONDS_EACH:-20}
recordings=${RECORDINGS:-128 256 512 1024 2048}
middle=$(echo $recordings | awk '{print $int((NF + 1) / 2)}')
store=${STORE:-/tmp/anylead-store}
tell() { tee -a "${OUT:-.}/gpu.jsonl"; }

# Products and copies: what the machine can do.
ceilings() {
  if [ "$DEVICE" = cuda ]; then
    nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
  fi
  python benchmarks/ceilings.py --device "$DEVICE" --seconds "$seconds" | tell
}

# Eager, compiled, recomputed, growing batches: the best share of the ceiling, memory, largest batch.
step() {
  for number in $recordings; do
    for how in "" --compile --recompute "--compile --recompute"; do
      python benchmarks/step.py --size "$SIZE" --recordings "$number" --device "$DEVICE" $how \
        --no-reference --seconds "$seconds" | tell ||
        echo "{\"benchmark\": \"step\", \"recordings\": $number, \"how\": \"$how\", \"failed\": true}" | tell
    done
  done
  set -- $recordings
  python benchmarks/step.py --size "$SIZE" --recordings "$1" --device "$DEVICE" --seconds "$seconds" | tell
}

# A trained model at work.
inference() {
  python benchmarks/inference.py --size "$SIZE" --device "$DEVICE" --seconds "$seconds" | tell
}

# The whole loop with data from a store: ecgs_per_second in log.csv must be that of the step.
loop() {
  [ -d "$store" ] || python -m anylead prepare --dataset synthetic --out "$store" \
    --options "{\"num_patients\": $((4 * middle))}"
  for how in "" --train.compile=true; do
    rm -rf /tmp/anylead-gpu
    python -m anylead pretrain --data.store="$store" --out=/tmp/anylead-gpu --encoder.size="$SIZE" \
      --train.device="$DEVICE" --train.steps=100 --train.batch_size="$middle" --train.log_every=20 \
      --train.save_every=50 --train.is_quiet=true --augment='[{"name": "random_lead_mask"}]' $how
    tail -n 5 /tmp/anylead-gpu/log.csv
  done
}

# Where the rest of a step goes.
profile() {
  MIDDLE=$middle python - <<'PY'
import argparse, os, sys
sys.path.insert(0, "benchmarks")
import step, torch
arguments = argparse.Namespace(
    size=os.environ["SIZE"],
    recordings=int(os.environ["MIDDLE"]),
    device=os.environ["DEVICE"],
    compile=False,
    recompute=False,
)
run = step.our_step(arguments, torch.bfloat16)
run()
with torch.profiler.profile() as profile:
    run()
key = "self_cuda_time_total" if arguments.device == "cuda" else "self_cpu_time_total"
print(profile.key_averages().table(sort_by=key, row_limit=25))
PY
}

for part in ${@:-ceilings step inference loop profile}; do
  "$part"
done
