"""Which recordings are in the batch of step k: a pure function of (seed, k).

So a run resumes exactly without any state of a loader, with any number of ranks and threads.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class Sampler:
    """Shuffled passes over rows; the order of a pass depends on the seed and its number alone.

    Args:
        num_rows: how many recordings there are.
        batch_size: recordings of one step, all ranks together.
        seed: of the shuffle.
    """

    def __init__(self, num_rows: int, batch_size: int, seed: int):
        self.num_rows = num_rows
        self.batch_size = min(batch_size, num_rows)
        self.seed = seed
        self.steps_per_epoch = max(num_rows // self.batch_size, 1)  # a partial batch is left out
        self._order = lru_cache(maxsize=2)(self._shuffle)

    def epoch(self, step: int) -> int:
        """The pass to which a step belongs."""
        return step // self.steps_per_epoch

    def rows(self, step: int) -> NDArray[np.int64]:
        """(batch_size,) different numbers below `num_rows`."""
        start = step % self.steps_per_epoch * self.batch_size
        return self._order(self.epoch(step))[start : start + self.batch_size]

    def _shuffle(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((self.seed, epoch)).permutation(self.num_rows)


def record_seeds(seed: int, step: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(batch,) one seed per recording and step, whatever the others in the batch (splitmix64)."""
    with np.errstate(over="ignore"):
        start = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]
        x = start + rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = (x ^ (x >> np.uint64(31))) >> np.uint64(1)
    return np.asarray(mixed, dtype=np.int64)
