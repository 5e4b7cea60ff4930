#!/usr/bin/env bash
# Everything to be measured on one GPU; one JSON line each, into gpu.jsonl.
#   bash benchmarks/gpu.sh [folder of a store]
# Without a store it prepares a generated one. About 15 minutes on an H200.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-.}/gpu.jsonl
store=${1:-/tmp/anylead-store}
export PYTHONPATH=src
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
python benchmarks/ceilings.py --device cuda --seconds 20 | tee "$out"
[ -d "$store" ] || python -m anylead prepare synthetic --out "$store" --options '{"num_patients": 4000}'
# Eager and compiled, growing batches: the best share of the ceiling, the memory, the largest batch.
for recordings in 128 256 512 1024 2048; do
  for compile in "" --compile; do
    python benchmarks/step.py --size base --recordings $recordings --device cuda $compile \
      --no-reference --seconds 20 | tee -a "$out" ||
      echo "{\"benchmark\": \"step\", \"recordings\": $recordings, \"failed\": true}" | tee -a "$out"
  done
done
python benchmarks/step.py --size base --recordings 128 --device cuda --seconds 30 | tee -a "$out"
python benchmarks/inference.py --size base --device cuda --seconds 20 | tee -a "$out"
# The whole loop with data from the store: ecgs_per_second in log.csv must be that of the step.
python -m anylead pretrain --data.store="$store" --out=/tmp/anylead-gpu --train.steps=200 \
  --train.batch_size=512 --train.log_every=20 --train.save_every=100 --train.is_quiet=true \
  --augment='[{"name": "random_lead_mask"}]'
tail -n 5 /tmp/anylead-gpu/log.csv
# Where the rest of a step goes.
python - <<'PY'
import argparse, sys
sys.path.insert(0, "benchmarks")
import step, torch
arguments = argparse.Namespace(
    size="base", recordings=512, device="cuda", compile=False, recompute=False
)
run = step.our_step(arguments, torch.bfloat16)
run()
with torch.profiler.profile() as profile:
    run()
print(profile.key_averages().table(sort_by="self_cuda_time_total", row_limit=25))
PY
