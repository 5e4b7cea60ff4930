"""Random crops of given recordings, drawn as often as wanted: for identification."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from anylead.loading.crops import Crops, random_crops
from anylead.loading.loader import make_batch
from anylead.loading.sampler import record_seeds
from anylead.objective import Batch
from anylead.store import Store

Part = Literal["whole", "first half", "second half"]


def drawn_batches(
    store: Store,
    rows: NDArray[np.int64],
    segment_seconds: float,
    batch_size: int,
    seed: int,
    part: Part = "whole",
) -> Iterator[Batch]:
    """One segment at a random place of each recording, in the order of `rows`.

    Args:
        store: prepared recordings.
        rows: (record,) which of them.
        segment_seconds: length of a segment; a shorter recording is padded.
        batch_size: recordings at once.
        seed: another one gives other crops.
        part: of each recording that crops are taken from.
    """
    segment = round(segment_seconds * store.manifest.sample_rate)
    for start in range(0, len(rows), batch_size):
        chosen = rows[start : start + batch_size]
        seeds = record_seeds(seed, 0, chosen)
        uniform = (seeds >> 11).astype(np.float64) * 2.0**-52
        length = store.num_samples[chosen]
        half = length // 2
        first = {"whole": 0 * half, "first half": 0 * half, "second half": length - half}[part]
        crops = random_crops(length if part == "whole" else half, segment, uniform)
        moved = Crops(crops.start + first[:, None], crops.num_samples)
        yield make_batch(store, chosen, moved, segment, seeds, 0, None)
