"""What tasks with labels share: which labels, and how much each of them counts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anylead.errors import RecipeError, known_are
from anylead.store import Store
from anylead.tasks.linear_head import Criterion
from anylead.tasks.setup import LossConfig, TaskParts

Loss = Callable[[Tensor, Tensor], Tensor]


def choose_label_task(store: Store, wanted: str | None) -> str:
    """The label task asked for, or the only one.

    Raises:
        RecipeError: none is named and the store has several, or none at all; or it holds numbers.
    """
    known = list(store.manifest.label_names)
    if wanted is not None:
        if wanted not in known and wanted in store.measurement_names:
            raise RecipeError(
                f"labels.task {wanted!r}: numbers, learned by --task regression; classes are words"
            )
        store.label_names(wanted)  # raises
        return wanted
    if len(known) != 1:
        numbers = ", ".join(store.measurement_names)
        told = f"; of measurements ({numbers}) learns --task regression" if numbers else ""
        raise RecipeError(f"labels.task: name one of the store's label tasks {known}{told}")
    return known[0]


def names_of(store: Store, task: str | None) -> Sequence[str]:
    """The classes of a label task."""
    return () if task is None else store.label_names(task)


def columns_by_task(task: str, names: Sequence[str]) -> dict[str, slice]:
    """Task -> its columns among the classes of a task, or of several joined by "+"."""
    if "+" not in task:
        return {task: slice(0, len(names))}
    owner = [name.partition("/")[0] for name in names]  # classes are named "task/class"
    return {
        part: slice(owner.index(part), owner.index(part) + owner.count(part))
        for part in task.split("+")
    }


def check_valid_rows(parts: TaskParts, rows: NDArray[np.int64], task: str) -> None:
    """Make sure that there is something to validate with.

    Raises:
        RecipeError: there is not.
    """
    if not len(rows):
        raise RecipeError(
            f"no recording in the validation split has labels of {task!r}; mend the split or the"
            " labels, or use --data.scheme hash"
        )


def make_criterion(
    parts: TaskParts,
    losses: Mapping[str, Loss],
    answer: Callable[[Tensor], Tensor],
    names: Sequence[str],
    balanced: NDArray[np.float64] | None = None,
) -> Criterion:
    """What the recipe wants the outputs to be trained for.

    Args:
        parts: of the task.
        losses: by their names in a recipe, the default first.
        answer: outputs -> what they say.
        names: of the outputs.
        balanced: (output,) weights by rarity; None where outputs are no labels.

    Raises:
        RecipeError: an unknown loss, label or weight.
    """
    wanted = parts.loss
    name = wanted.name or next(iter(losses))
    if name not in losses:
        raise RecipeError(f"loss.name {name!r}{known_are(name, losses)}")
    if balanced is None and (wanted.balanced or wanted.class_weight):
        raise RecipeError("loss.balanced and loss.class_weight are for labels; leave them out")
    return Criterion(
        name={"cross_entropy": "bce"}.get(name, name),
        loss=losses[name],
        answer=answer,
        output_weight=None if balanced is None else _output_weight(wanted, names, balanced),
        row_weight=_row_weight(parts),
    )


def _output_weight(
    wanted: LossConfig, names: Sequence[str], balanced: NDArray[np.float64]
) -> Tensor | None:
    if not wanted.balanced and not wanted.class_weight:
        return None
    unknown = wanted.class_weight.keys() - set(names)
    if unknown:
        first = sorted(unknown)[0]
        raise RecipeError(f"loss.class_weight {first!r}{known_are(first, names)}")
    factor = np.array([wanted.class_weight.get(name, 1.0) for name in names])
    weight = factor * balanced if wanted.balanced else factor
    return torch.from_numpy(weight).float()


def _row_weight(parts: TaskParts) -> Tensor | None:
    if parts.loss.row_weight is None:
        return None
    name = parts.loss.row_weight
    weight: NDArray[Any] = parts.store.measurement(name)
    own = weight[parts.train_rows]
    if not (np.isfinite(own).all() and (own >= 0).all() and own.any()):
        raise RecipeError(
            f"loss.row_weight {name}: {int(np.isnan(own).sum())} of {len(own)} training recordings"
            " without it, or none above 0, or some below; want a number of 0 or more for each"
        )
    return torch.from_numpy(np.nan_to_num(weight / own.mean())).float()
