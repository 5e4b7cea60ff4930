"""A store of a million recordings: opening it and drawing batches, without its signals.

    python benchmarks/index.py --recordings 1000000

Generates the index of such a store (patients, splits, labels, leads, scales), then measures, in a
fresh process, the time from opening it to the rows of the first batch, and that process's memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
import pyarrow as pa

from anylead.signals import PreprocessConfig
from anylead.store.location import file_sha256
from anylead.store.manifest import INDEX_FILE, MANIFEST, Manifest
from anylead.store.schema import INDEX


def main() -> None:
    parser = measure.options(__doc__, seconds=5)
    parser.add_argument("--recordings", type=int, default=1_000_000)
    parser.add_argument("--open", type=Path, help="only open this store and tell what it took")
    arguments = parser.parse_args()
    if arguments.open:
        print(json.dumps(_open(arguments.open)))
        return
    with tempfile.TemporaryDirectory() as name:
        _generate(Path(name), arguments.recordings)
        size = (Path(name) / INDEX_FILE).stat().st_size
        command = [sys.executable, __file__, "--open", name]
        runs = [
            json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(3)
        ]
    median = {key: sorted(run[key] for run in runs)[1] for key in runs[0]}
    measure.tell("index", arguments, index_mb=size / 2**20, **median)


def _open(folder: Path) -> dict[str, float]:
    begin, processor = time.perf_counter(), time.process_time()
    from anylead.loading import TrainingLoader
    from anylead.store import Store

    imported, imported_cpu = time.perf_counter(), time.process_time()
    store = Store.open(folder)
    rows = store.split_rows()["train"]
    rows = rows[store.has_lead[rows].any(axis=1)]
    loader = TrainingLoader(store, rows, 512, 5.0, "pair", seed=0)
    loader.sampler.rows(0)
    for column in (store.patient, store.num_samples, store.scale):
        column[rows[:1]]
    opened, opened_cpu = time.perf_counter(), time.process_time()
    for step in range(100):
        loader.sampler.rows(step)
    drawn = time.perf_counter()
    return {
        "import_s": imported - begin,
        "import_cpu_s": imported_cpu - processor,
        "open_s": opened - imported,
        "open_cpu_s": opened_cpu - imported_cpu,
        "rows_of_a_batch_us": (drawn - opened) / 100 * 1e6,
        "peak_memory_mb": measure.peak_memory_mb(),
    }


def _generate(folder: Path, num: int) -> None:
    rng = np.random.default_rng(0)
    patient = rng.integers(0, num // 2, num)
    has_lead = rng.random((num, 12)) < 0.95
    has_lead[:, 0] = True
    labels = pa.array(
        [[("rhythm", ["SR"])], [("rhythm", ["AFIB", "PVC"])]], INDEX.field("labels").type
    )
    columns = {
        "record_id": [f"r{i:08d}" for i in range(num)],
        "patient_id": [f"p{i:08d}" for i in patient],
        "split": pa.nulls(num, pa.string()),
        "fold": pa.nulls(num, pa.int16()),
        "split_draw": ((patient.astype(np.uint64) * 2654435761) % 2**32).astype(np.uint32),
        "labels": labels.take(pa.array(rng.integers(0, 2, num))),
        "unknown": pa.array([[]], INDEX.field("unknown").type).take(pa.array(np.zeros(num, int))),
        "num_samples": np.full(num, 5000),
        "has_lead": _per_lead(has_lead),
        "scale": _per_lead(np.full((num, 12), 0.001, np.float32)),
        "quality": _per_lead(np.zeros((num, 12), np.uint16)),
        "age": rng.uniform(18, 95, num).astype(np.float32),
        "sex": pa.array(["female", "male"]).take(pa.array(rng.integers(0, 2, num))),
        "unit": pa.array(["mV"]).take(pa.array(np.zeros(num, np.int64))),
        "source_rate": np.full(num, 500.0, np.float32),
        "crc32": np.zeros(num, np.uint32),
        "shard": (np.arange(num) // 4096).astype(np.int32),
        "batch": (np.arange(num) % 4096 // 280).astype(np.int32),
        "begin": np.arange(num) % 280 * 60000,
    }
    table = pa.table(
        [pa.array(columns[name], kind) if not isinstance(columns[name], pa.Array) else columns[name]
         for name, kind in zip(INDEX.names, INDEX.types, strict=True)],
        schema=INDEX,
    )  # fmt: skip
    with pa.OSFile(str(folder / INDEX_FILE), "wb") as file, pa.ipc.new_file(file, INDEX) as writer:
        writer.write_table(table)
    manifest = Manifest(
        name="generated",
        preprocess=PreprocessConfig(),
        label_names={"rhythm": ("AFIB", "PVC", "SR")},
        num_records=num,
        num_rejected=0,
        has_patients=True,
        shards=(),
        index_sha256=file_sha256(folder / INDEX_FILE),
    )
    (folder / MANIFEST).write_text(manifest.to_json())


def _per_lead(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 12)


if __name__ == "__main__":
    main()
