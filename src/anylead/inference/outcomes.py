"""What the outputs of a head mean, by the kind of model: labels, exclusive classes, numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from anylead.errors import RecipeError
from anylead.inference.windows import JOINS, joins, sigmoid

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """A line of `OUTCOMES`.

    Attributes:
        said: (recording, output) of the head -> what is said of each.
        is_probability: else it is a number in a unit of its own.
        is_exclusive: one class is true, and the most probable one is the answer.
        joins: ways in which windows may become one answer.
    """

    said: Callable[[Floats], Floats]
    is_probability: bool = True
    is_exclusive: bool = False
    joins: tuple[str, ...] = JOINS

    def ways(self, join: str | Mapping[str, str], names: Sequence[str]) -> list[str]:
        """One way of joining windows for each output.

        Raises:
            RecipeError: an unknown way or output, or one that this outcome does not have.
        """
        how = joins(join, names)
        wrong = sorted(set(how) - set(self.joins))
        if wrong:
            raise RecipeError(f"join {wrong[0]!r}: this model has {', '.join(self.joins)}")
        return how


def _as_it_is(outputs: Floats) -> Floats:
    return outputs


def _softmax(outputs: Floats) -> Floats:
    return np.asarray(softmax(outputs, axis=-1))


# kind of checkpoint -> what its outputs mean; other kinds have vectors only.
OUTCOMES: dict[str, Outcome] = {
    "classification": Outcome(sigmoid),
    "multiclass": Outcome(_softmax, is_exclusive=True, joins=("mean", "max")),
    "regression": Outcome(_as_it_is, is_probability=False, joins=("mean", "max")),
    "survival": Outcome(_as_it_is, is_probability=False, joins=("mean", "max")),
}
