"""Loading: random pairs of segments from a store in the page cache, against other ways.

    python benchmarks/loading.py --seconds 10 --threads 1

"ours" is `TrainingLoader.batch`: int16, which a GPU fetches and scales. "ours_mv" makes it float32
millivolts on the CPU too, as the training thread does where there is no GPU. "read" is `Store.read`
alone, "map" the crop alone from one memory map of int16, the bound. "reference" reads one .mat file
per segment with scipy, as older code does, to float32.
"""

import tempfile
from pathlib import Path

import measure
import numpy as np
import scipy.io

from anylead.commands.prepare import Recipe, run
from anylead.loading import TrainingLoader
from anylead.store import Store

SEGMENT = 2500


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    parser.add_argument("--recordings", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64, help="recordings of two segments")
    arguments = parser.parse_args()
    threads = measure.set_threads(arguments.threads or 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = {"num_patients": arguments.recordings // 2}
        run(Recipe("synthetic", folder / "store", options=options))
        store = Store.open(folder / "store")
        found = measure.alternate(_calls(store, folder, arguments.batch), arguments.seconds)
    segments = 2 * arguments.batch
    measure.tell(
        "loading",
        arguments,
        used_threads=threads,
        segments_per_s={way: segments / times["wall_s"] for way, times in found.items()},
        segments_per_cpu_s={way: segments / times["cpu_s"] for way, times in found.items()},
        ratios={
            f"{ours}/{way}": measure.ratio(found, way, ours)
            for ours in ("ours", "ours_mv")
            for way in ("map", "reference")
        },
    )


def _calls(store: Store, folder: Path, batch: int):
    rows = np.arange(store.num_records)
    loader = TrainingLoader(store, rows, batch, 5.0, "pair", seed=0)
    step = iter(range(10**9))
    rng = np.random.default_rng(0)
    flat = np.lib.format.open_memmap(
        folder / "map.npy", "w+", np.int16, (store.num_records, 12, 2 * SEGMENT)
    )
    for first in range(0, len(rows), 100):
        some = rows[first : first + 100]
        flat[some] = store.read(some, np.zeros(len(some), np.int64), 2 * SEGMENT)
    files = []
    for row in rows[:200]:
        for half in range(2):
            path = folder / f"{row}-{half}.mat"
            part = flat[row, :, half * SEGMENT : (half + 1) * SEGMENT].astype(np.float32)
            scipy.io.savemat(path, {"feats": part})
            files.append(path)

    def crops() -> np.ndarray:
        out = np.empty((2 * batch, 12, SEGMENT), np.int16)
        for i, row in enumerate(rng.integers(0, len(rows), 2 * batch)):
            out[i] = flat[row, :, i % 2 * SEGMENT : (i % 2 + 1) * SEGMENT]
        return out

    def mat_files() -> np.ndarray:
        chosen = rng.integers(0, len(files), 2 * batch)
        return np.stack([scipy.io.loadmat(files[i])["feats"] for i in chosen])

    def read() -> np.ndarray:
        some = np.repeat(rng.integers(0, len(rows), batch), 2)
        return store.read(some, np.tile([0, SEGMENT], batch), SEGMENT)

    return {
        "ours": lambda: loader.batch(next(step)),
        "ours_mv": lambda: loader.batch(next(step)).to("cpu"),
        "read": read,
        "map": crops,
        "reference": mat_files,
    }


if __name__ == "__main__":
    main()
