"""The folder of a run: one run in it, one process at it, and no state of anything else."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from anylead.checkpoint import DESCRIPTION, WEIGHTS
from anylead.errors import RecipeError
from anylead.store.unfinished import release
from anylead.training.resume import leftovers, state_facts, states
from anylead.training.tracking import BOARD, LOG

RECIPE = "recipe.yaml"
# What a run and its evaluation leave: with the run it goes.
_MADE = (RECIPE, WEIGHTS, DESCRIPTION, LOG, BOARD, "scores.json", "report.html")
# What may differ when a run goes on: how long, where, and what it tells.
_FREE = {
    *("out", "data.store", "threshold_sets"),
    *(
        f"train.{name}"
        for name in (
            *("epochs", "steps", "device", "accumulate", "compile", "recompute", "sharding"),
            *("log_every", "save_every", "keep_last", "resume", "overwrite", "is_quiet"),
            "trackers",
        )
    ),
}


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps its weights, states and logs.

    Attributes:
        path: of the folder.
        made_from: plain values that decide the weights, by name: fields of the recipe and hashes
            of what it names. Every state carries them.
    """

    path: Path
    made_from: Mapping[str, Any] = field(default_factory=dict)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process out that would write into the folder, which is made.

        Raises:
            RecipeError: one is at work there; or the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout:
            raise RecipeError(
                f"out: {self.path}: another run is at work there; choose another folder"
            ) from None
        except OSError as error:
            raise RecipeError(
                f"out: {self.path}: {error.strerror}; choose another folder"
            ) from error
        try:
            yield
        finally:
            release(lock)

    @contextmanager
    def held(self, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
        """Keep other runs out of the folder; one rank of a run does this.

        Args:
            resume: a run that is there goes on, if it was made from the same.
            overwrite: a run that is there is deleted.

        Raises:
            RecipeError: a run is at work there, was there and neither is wanted, or was made from
                something else; or the folder cannot be written.
        """
        with self.alone():
            for path in leftovers(self.path):
                path.unlink(missing_ok=True)
            if overwrite:
                self._clear()
            elif not resume:
                self._check_unused()
            else:
                self._check_same()
            yield

    def _check_unused(self) -> None:
        found = [*(path.name for path in states(self.path)[-1:]), RECIPE, WEIGHTS]
        there = [name for name in found if (self.path / name).exists()]
        if there:
            raise RecipeError(
                f"out: {self.path} holds a run already ({there[0]}); --train.resume true goes on"
                " with it, --train.overwrite true deletes it, or choose another --out"
            )

    def _check_same(self) -> None:
        found = states(self.path)
        made_from = state_facts(found[-1]).get("made_from") if found else None
        if made_from is None or not self.made_from:
            return
        wanted = _plain(self.made_from)
        differs = [
            f"{name} {made_from.get(name)!r}, now {wanted.get(name)!r}"
            for name in dict.fromkeys([*made_from, *wanted])
            if made_from.get(name) != wanted.get(name)
        ]
        if differs:
            raise RecipeError(
                f"{found[-1]}: cannot go on, it was made with {'; '.join(differs)}; use the same,"
                " start anew with --train.overwrite true, or choose another --out"
            )

    def _clear(self) -> None:
        for path in (*states(self.path), *(self.path / name for name in _MADE)):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def deciding_fields(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a recipe on which weights depend, flat: "train.seed" -> 0."""
    return {name: value for name, value in _flat(recipe, "") if name not in _FREE}


def _flat(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON."""
    made: dict[str, Any] = json.loads(json.dumps(values))
    return made
