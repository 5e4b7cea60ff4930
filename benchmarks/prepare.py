"""Preparing: WFDB files to the input of a model, per core, against the wfdb package and scipy.

    python benchmarks/prepare.py --seconds 10

"ours" is the work of `anylead prepare` on recordings of 10 s, 12 leads, 500 Hz: one shard, quality
flags, hash and sync included (`--sample-rate 250` resamples too). "reference" reads the same files
with wfdb.rdrecord, resamples linearly and writes one .mat file per 5 s segment. "bytes" is the
bound: the files' bytes read, as many as the store holds written, hashed and synced.
"""

import subprocess
import sys
import tempfile
from collections import deque
from functools import partial
from pathlib import Path

import measure
import numpy as np
import scipy.io
import wfdb
from threadpoolctl import threadpool_limits

from anylead import datasets, formats
from anylead.commands import prepare
from anylead.leads import LEADS
from anylead.signals import PreprocessConfig, preprocess
from anylead.store.files import whole_file
from anylead.store.writer import ShardWriter


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--sample-rate", type=float, default=500.0)
    parser.add_argument("--memory-of", type=int, help="prepare two recordings of so many patients")
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(_memory_of(arguments.memory_of))
        return
    threadpool_limits(1, user_api="blas")  # as `anylead prepare` does for each worker
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, arguments.recordings)
        config = PreprocessConfig(sample_rate=arguments.sample_rate)
        paths = sorted(folder.glob("*.hea"))

        def ours() -> None:
            with whole_file(folder / "shard.arrow") as file:
                writer = ShardWriter(file)
                for path in paths:
                    record = formats.read(path)
                    writer.add(record, preprocess(record, config))
                writer.close()

        def copied() -> None:
            with whole_file(folder / "shard.bytes") as file:
                for path in paths:
                    data = path.read_bytes() + path.with_suffix(".dat").read_bytes()
                    file.write(data[: round(len(data) * arguments.sample_rate / 500)])

        drop = partial(deque, maxlen=0)  # nothing is kept: it would take fresh memory every time
        names = [str(path.with_suffix("")) for path in paths]
        calls = {
            "ours": ours,
            "bytes": copied,
            "reference": lambda: drop(_reference(path, arguments.sample_rate) for path in paths),
            "ours_reading": lambda: drop(formats.read(path) for path in paths),
            "wfdb_reading": lambda: drop(wfdb.rdrecord(name) for name in names),
        }
        found = measure.alternate(calls, arguments.seconds)
    measure.tell(
        "prepare",
        arguments,
        records_per_s={way: len(paths) / times["wall_s"] for way, times in found.items()},
        records_per_cpu_s={way: len(paths) / times["cpu_s"] for way, times in found.items()},
        ratios={
            "ours/reference": measure.ratio(found, "reference", "ours"),
            "reading ours/wfdb": measure.ratio(found, "wfdb_reading", "ours_reading"),
        },
        peak_memory_mb={number: _memory(number) for number in (200, 2000)},
    )


def _memory(number: int) -> float:
    """Peak memory in MB of a process that prepares generated recordings of so many patients."""
    command = [sys.executable, __file__, "--memory-of", str(number)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _memory_of(number: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        options = {"num_patients": number}
        prepare.run(prepare.Recipe("synthetic", Path(folder), options=options, num_workers=1))
    return measure.peak_memory_mb()


def _write(folder: Path, number: int) -> None:
    for i, record in enumerate(datasets.corpus("synthetic", num_patients=number).records()):
        if i == number:
            return
        wfdb.wrsamp(
            f"r{i:04d}",
            fs=500,
            units=["mV"] * 12,
            sig_name=list(LEADS),
            p_signal=record.signal.T.astype(np.float64),
            fmt=["16"] * 12,
            adc_gain=[1000.0] * 12,
            baseline=[0] * 12,
            write_dir=str(folder),
        )


def _reference(path: Path, sample_rate: float) -> None:
    read = wfdb.rdrecord(str(path.with_suffix("")))
    signal = read.p_signal.T
    if sample_rate != read.fs:
        num = round(signal.shape[1] * sample_rate / read.fs)
        place = np.linspace(0, signal.shape[1] - 1, num)
        signal = np.stack([np.interp(place, np.arange(signal.shape[1]), lead) for lead in signal])
    length = round(5 * sample_rate)
    for half in range(2):
        part = signal[:, half * length : (half + 1) * length].astype(np.float32)
        scipy.io.savemat(path.with_name(f"{path.stem}-{half}.mat"), {"feats": part})


if __name__ == "__main__":
    main()
