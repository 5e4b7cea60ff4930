"""One run -> a finished cell on disk, from its start or from where it stopped.

Folder: `pretrain/KEY/` and `finetune/KEY/` are runs, `cells/KEY.json` and `cells/KEY.npz` the
scores of a fine-tuned run and what they are made from. A JSON is written last and as a whole: what
has one is finished.
"""

import io
import json
import os
import shutil
import socket
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from anylead.checkpoint import load_checkpoint, write_atomically
from anylead.commands import finetune, pretrain
from anylead.errors import AnyleadError, StoppedError
from anylead.evaluation import EVALUATIONS, Evidence, Settings
from anylead.store import Store
from anylead.store.files import alone
from anylead.tables.cost import Cost, measure, read_cost
from anylead.tables.plan import Fit, build_recipe, merge
from anylead.training.resume import remove_states

DONE = "done.json"


@dataclass(frozen=True)
class Job:
    """What a worker needs for one run.

    Attributes:
        kind: "pretrain" or "finetune".
        folder: of the benchmark.
        fit: the run.
        lead_sets: that a fine-tuned run is scored on.
        settings: of the scores.
        keeps_runs: keep fine-tuned weights.
        title: rows and tasks that it is for.
        num_steps: of the training.
    """

    kind: str
    folder: Path
    fit: Fit
    lead_sets: tuple[str, ...]
    settings: Settings
    keeps_runs: bool
    title: str = ""
    num_steps: int = 0

    @property
    def run_folder(self) -> Path:
        """Of the training."""
        return self.folder / self.kind / self.fit.key


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: that ended.
        seconds: it took.
        error: what went wrong, or "".
    """

    job: Job
    seconds: float
    error: str = ""


def is_finished(job: Job) -> bool:
    """Whether a job's result is on disk, for all lead sets."""
    path = done_file(job)
    if not path.is_file():
        return False
    done = json.loads(path.read_text())
    return set(job.lead_sets) <= set(done.get("lead_sets", ()))


def load_evidence(folder: Path, key: str) -> tuple[str, dict[str, Evidence]] | None:
    """The kind of a finished cell, and its evidence by lead set; None if it is not finished."""
    path = folder / "cells" / f"{key}.json"
    if not path.is_file():
        return None
    done = json.loads(path.read_text())
    with np.load(path.with_suffix(".npz")) as file:
        arrays = {name: file[name] for name in file.files}
    found = {}
    for lead_set in done["lead_sets"]:
        prefix = f"{lead_set}/"
        own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        found[lead_set] = Evidence(own.pop("patient"), own, done["label_names"])
    return done["kind"], found


def load_cost(folder: Path, key: str) -> Cost | None:
    """What a finished cell tells of its cost; None where it does not."""
    path = folder / "cells" / f"{key}.json"
    return read_cost(json.loads(path.read_text())) if path.is_file() else None


def do_job(job: Job, device: str) -> Outcome:
    """One run, from its start or from where it stopped.

    Benchmarks that share a folder may want the same one: the second waits, and takes what is made.
    """
    started = perf_counter()
    try:
        with alone(job.run_folder):
            if is_finished(job):
                pass
            elif job.kind == "pretrain":
                _pretrain(job, device, started)
            else:
                _finetune(job, device, started)
    except StoppedError:
        raise
    except (AnyleadError, torch.OutOfMemoryError) as error:
        return Outcome(job, perf_counter() - started, f"{error}")
    except Exception as error:  # one odd run must not end the others
        traceback.print_exc()
        return Outcome(job, perf_counter() - started, f"{type(error).__name__}: {error}")
    return Outcome(job, perf_counter() - started)


def do_job_in(folder: Path, job: Job, device: str) -> Outcome:
    """The same on another machine, that has the folder that paths are told from.

    Raises:
        AnyleadError: it has not.
    """
    try:
        os.chdir(folder)
    except OSError as error:
        raise AnyleadError(
            f"{folder}: not there on {socket.gethostname()} ({error.strerror}); the machines of the"
            " cluster must share the folder that the command is started in"
        ) from None
    return do_job(job, device)


def _pretrain(job: Job, device: str, started: float) -> None:
    out = job.run_folder
    pretrain.run(build_recipe(pretrain.Recipe, _values(job, out, device)))
    remove_states(out)
    _write(
        done_file(job),
        {"recipe": job.fit.values, "seconds": perf_counter() - started, "steps": job.num_steps},
    )


def _finetune(job: Job, device: str, started: float) -> None:
    out = job.run_folder
    values = _values(job, out, device)
    if job.fit.after is not None:
        checkpoint = str(job.folder / "pretrain" / job.fit.after)
        values = merge(values, {"model": {"checkpoint": checkpoint}})
    if not job.keeps_runs:  # no thresholds that nobody will ask for
        values = merge(values, {"threshold_sets": " ".join(job.lead_sets)})
    finetune.run(build_recipe(finetune.Recipe, values))
    checkpoint_read = load_checkpoint(out)
    kind = checkpoint_read.description["kind"]
    opened = EVALUATIONS[kind].open(out, checkpoint_read, job.settings)
    arrays, values_by_set, names = {}, {}, []
    for lead_set in job.lead_sets:
        evidence: Evidence = opened.evidence(lead_set)
        names = evidence.label_names
        arrays[f"{lead_set}/patient"] = evidence.patient
        arrays |= {f"{lead_set}/{name}": array for name, array in evidence.arrays.items()}
        one = np.ones((len(evidence.patient), 1), dtype=np.float32)
        scores = EVALUATIONS[kind].statistics(evidence)
        values_by_set[lead_set] = {name: float(score(one)[0]) for name, score in scores.items()}
    done = done_file(job)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    write_atomically(done.with_suffix(".npz"), file.getvalue())
    facts = {
        "kind": kind,
        "split": opened.split,
        "label_names": names,
        "lead_sets": list(job.lead_sets),
        "scores": values_by_set,
        "recipe": job.fit.values,
        "pretraining": job.fit.after,
        "cost": asdict(measure(checkpoint_read, Store.open(values["data"]["store"]), device)),
        "seconds": perf_counter() - started,
        "steps": job.num_steps,
    }
    _write(done, facts)
    remove_states(out)
    if not job.keeps_runs:
        shutil.rmtree(out, ignore_errors=True)


def _values(job: Job, out: Path, device: str) -> dict[str, Any]:
    """The recipe's values with the folder and the machine of this run."""
    train = {"resume": True, "is_quiet": True}
    given = job.fit.values.get("train", {}).get("device", "auto")
    if given == "auto":
        train["device"] = device  # type: ignore[assignment]
    return merge(job.fit.values, {"out": str(out), "train": train})


def done_file(job: Job) -> Path:
    """What is written last: a job that has it is finished."""
    if job.kind == "pretrain":
        return job.folder / "pretrain" / job.fit.key / DONE
    return job.folder / "cells" / f"{job.fit.key}.json"


def _write(path: Path, facts: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(facts, indent=1).encode())
