"""Pre-training that keeps the epoch with the smallest loss on the validation split."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anylead.checkpoint import save_checkpoint
from anylead.errors import RecipeError
from anylead.loading import TrainingLoader
from anylead.methods import Pretraining
from anylead.training.fit import micro_batches
from anylead.training.loop import mean_loss
from anylead.training.settings import Machine, TrainConfig
from anylead.training.watching import Progress


class Best:
    """Scores the validation split after each epoch and keeps the weights with the smallest loss.

    All ranks share its batches as they share those of the training: contrasts see whole batches.

    Args:
        objective: what is trained.
        rows: of the validation split.
        make_loader: rows and the size of a batch -> batches.
        config: of the training.
        machine: where it computes.
        folder: of the run.
        describe: step -> what the checkpoint says about itself.

    Raises:
        RecipeError: too few rows for the ranks and micro-batches of a step.
    """

    def __init__(
        self,
        objective: Pretraining,
        rows: NDArray[np.int64],
        make_loader: Callable[[NDArray[np.int64], int], TrainingLoader],
        config: TrainConfig,
        machine: Machine,
        folder: Path,
        describe: Callable[[int], dict[str, Any]],
    ):
        self.objective, self.config, self.machine = objective, config, machine
        self.folder, self.describe = folder, describe
        parts = machine.world.size * config.accumulate
        size = min(config.batch_size, len(rows))
        if size < parts:
            raise RecipeError(
                f"keep best: {len(rows)} recordings to validate on cannot be shared by {parts}"
                " micro-batches of all ranks; choose another data.scheme, or keep last"
            )
        self._loader = make_loader(rows, size - size % parts)

    def after_epoch(self, progress: Progress) -> dict[str, float]:
        """The loss of the validation split, drawn in the same way each time."""
        make = micro_batches(self._loader, self.config, self.machine)
        loss = mean_loss(
            self.objective.eval(),
            map(make, range(self._loader.sampler.steps_per_epoch)),
            self.machine.device,
            self.machine.precision,
            self.machine.world,
        )
        best = progress.facts.get("best_loss", math.inf)
        if loss < best or not math.isfinite(best):
            progress.facts |= {"best_loss": loss, "best_step": progress.step}
            if self.machine.world.is_main:
                described = self.describe(progress.step)
                described["provenance"]["valid_loss"] = loss
                save_checkpoint(self.folder, self.objective.state_dict(), described)
        return {"valid_loss": loss}
