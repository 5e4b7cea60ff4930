"""Waves made ready for a store: targets from its marks, validation by the F1 of boundaries.

Of beats: by the F1 of the AAMI classes that occur.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError
from anylead.leads import LEADS
from anylead.loading import evaluation_batches
from anylead.loading.crops import even_windows
from anylead.metrics.beats import confusion, true_false_missed
from anylead.metrics.waves import as_table, between, by_lead, score_waves
from anylead.records import Mark
from anylead.signals.beat_rules import CLASSES as BEATS
from anylead.signals.beat_rules import beats_of
from anylead.signals.wave_rules import marks_of
from anylead.store import Store
from anylead.store.marks import stored_marks
from anylead.tasks.running import run_over
from anylead.tasks.setup import Run, Task, TaskParts, Verdict
from anylead.tasks.wave_targets import WaveTargets
from anylead.tasks.waves import Waves, described


class WavesSetup:
    """See `TaskSetup`.

    Raises:
        RecipeError: a recording without marks.
    """

    labels = None
    score_name = "valid_f1"

    def __init__(self, parts: TaskParts):
        self.parts, self.train_rows = parts, parts.train_rows
        marks = stored_marks(parts.store)
        used = [*parts.train_rows.tolist(), *parts.valid_rows.tolist()]
        without = [row for row in used if marks[row] is None]
        if without:
            raise RecipeError(
                f"task waves: {len(without)} of {len(used)} recordings have no marks of waves, such"
                f" as {parts.store.record_id[without[0]]}; prepare those that have (docs/intervals)"
            )
        names = parts.waves.names
        self.targets = WaveTargets(marks, parts.store.manifest.sample_rate, names)
        if not any(mark.name in names for row in used for mark in marks[row] or ()):
            raise RecipeError(
                f"task waves: no recording has a mark named {', '.join(names)}; waves.classes"
                f" {parts.waves.classes} is not what was marked here"
            )
        self.module = Waves(parts.encoder, parts.waves, parts.augment, self.targets)

    def validate(self, run: Run) -> Verdict:
        """The mean F1 of the six boundaries, lead by lead; NaN without recordings to validate."""
        if not len(self.parts.valid_rows):
            return Verdict(float("nan"), {})
        if self.targets.classes == BEATS:
            return self._validate_beats(run)
        pairs = []
        for marked, found, leads in self._marked_and_found(run):
            pairs += by_lead(marked, found, leads)
        table = as_table(score_waves(pairs, beyond_ends=True))
        return Verdict(float(np.mean([row["f1"] for row in table.values()])), {"waves": table})

    def _validate_beats(self, run: Run) -> Verdict:
        """The mean F1 of the classes that occur among the recordings."""
        table = np.zeros((len(BEATS) + 1, len(BEATS) + 1), dtype=np.int64)
        for marked, found, _ in self._marked_and_found(run):
            table += confusion(marked, found)
        counts = true_false_missed(table)
        scores = {
            name: 2 * right / max(2 * right + wrong + missed, 1)
            for name, (right, wrong, missed) in zip(BEATS, counts.tolist(), strict=False)
            if right + missed
        }
        return Verdict(float(np.mean(list(scores.values()))), {"beats": scores})

    def weights(self) -> dict[str, Tensor]:
        """What is kept of the training."""
        return self.module.state_dict()

    def describe(self) -> dict[str, Any]:
        """The keys of a checkpoint of waves."""
        return {"kind": "waves", "decoder": described(self.parts.waves)}

    def _marked_and_found(self, run: Run) -> Iterator[tuple[list[Mark], list[Mark], list[str]]]:
        """Waves or beats, and the leads that were seen, of each window of the validation split."""
        parts, store = self.parts, self.parts.store
        rate = store.manifest.sample_rate
        segment = round(parts.segment_seconds * rate)
        batches = evaluation_batches(store, parts.valid_rows, parts.segment_seconds, run.batch_size)
        outputs = run_over(
            self.module,
            lambda copy, batch: copy.probabilities(batch),
            batches,
            run.device,
            run.precision,
            run.restrict,
        )
        for rows, probability in outputs:
            dense: NDArray[np.float32] = probability.cpu().numpy()
            for row, windows in zip(rows.tolist(), dense, strict=True):
                starts = even_windows(int(store.num_samples[row]), segment).start[0] / rate
                for start, each in zip(starts.tolist(), windows, strict=True):
                    marked = between(
                        self.targets.marks[row] or (), start, start + parts.segment_seconds
                    )
                    leads = [LEADS[n] for n in np.isfinite(each[:, 0, 0]).nonzero()[0]]
                    if self.targets.classes == BEATS:
                        yield marked, beats_of(each, BEATS, rate, start), leads
                    else:
                        yield marked, marks_of(each, LEADS, rate, start), leads


def _no_labels(store: Store, wanted: str | None) -> None:
    return None


WAVES = Task(
    _no_labels,
    WavesSetup,
    ignores=("identity", "loss", "average", "teacher", "labels.task", "threshold_sets"),
)
