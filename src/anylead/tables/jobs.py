"""Runs -> finished cells on disk: in parallel, resumable, with the time that is left.

Folder: `pretrain/KEY/` and `finetune/KEY/` are runs, `cells/KEY.json` and `cells/KEY.npz` the
scores of a fine-tuned run and what they are made from. A JSON is written last and as a whole: what
has one is finished.
"""

import io
import json
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from anylead.checkpoint import load_checkpoint, write_atomically
from anylead.commands import finetune, pretrain
from anylead.engines.workers import Workers
from anylead.errors import AnyleadError, StoppedError
from anylead.evaluation import EVALUATIONS, Evidence, Settings
from anylead.tables.plan import Fit, Plan, build_recipe, merge
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
    """

    kind: str
    folder: Path
    fit: Fit
    lead_sets: tuple[str, ...]
    settings: Settings
    keeps_runs: bool


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


def run_all(
    plan: Plan,
    folder: Path,
    settings: Settings,
    devices: Sequence[str],
    keeps_runs: bool,
    tell: Callable[[str], None],
) -> dict[str, str]:
    """Do whatever is not finished yet; pre-training first.

    Returns:
        Key of each run that failed -> what went wrong.
    """
    failed: dict[str, str] = {}
    pretrainings = [
        Job("pretrain", folder, fit, (), settings, keeps_runs) for fit in plan.pretrainings.values()
    ]
    finetunings = [
        Job(
            "finetune",
            folder,
            fit,
            tuple(plan.lead_sets_of(key)),
            replace(settings, **fit.evaluate),
            keeps_runs,
        )
        for key, fit in plan.finetunings.items()
    ]
    clock = _Clock(pretrainings, finetunings, len(devices))
    tell(clock.summary())
    for jobs in (pretrainings, finetunings):
        waiting = [job for job in jobs if not is_finished(job)]
        lost = [job for job in waiting if job.fit.after in failed]
        failed |= {job.fit.key: f"its pre-training {job.fit.after} failed" for job in lost}
        for outcome in _outcomes([job for job in waiting if job not in lost], devices):
            if outcome.error:
                failed[outcome.job.fit.key] = outcome.error
            tell(clock.tell(outcome))
    return failed


def is_finished(job: Job) -> bool:
    """Whether a job's result is on disk, for all lead sets."""
    path = _done_file(job)
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


def do_job(job: Job, device: str) -> Outcome:
    """One run, from its start or from where it stopped."""
    started = perf_counter()
    try:
        if job.kind == "pretrain":
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


def _pretrain(job: Job, device: str, started: float) -> None:
    out = job.folder / "pretrain" / job.fit.key
    pretrain.run(build_recipe(pretrain.Recipe, _values(job, out, device)))
    remove_states(out)
    _write(_done_file(job), {"recipe": job.fit.values, "seconds": perf_counter() - started})


def _finetune(job: Job, device: str, started: float) -> None:
    out = job.folder / "finetune" / job.fit.key
    values = _values(job, out, device)
    if job.fit.after is not None:
        checkpoint = str(job.folder / "pretrain" / job.fit.after)
        values = merge(values, {"model": {"checkpoint": checkpoint}})
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
    done = _done_file(job)
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
        "seconds": perf_counter() - started,
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


def _done_file(job: Job) -> Path:
    if job.kind == "pretrain":
        return job.folder / "pretrain" / job.fit.key / DONE
    return job.folder / "cells" / f"{job.fit.key}.json"


def _write(path: Path, facts: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(facts, indent=1).encode())


def choose_devices(wanted: str) -> list[str]:
    """One entry for each run at a time; "auto" is every GPU, or the CPU once."""
    if wanted != "auto":
        return [name.strip() for name in wanted.split(",")]
    number = torch.cuda.device_count()
    return [f"cuda:{i}" for i in range(number)] or ["cpu"]


def _outcomes(jobs: Sequence[Job], devices: Sequence[str]) -> Iterator[Outcome]:
    if len(devices) == 1 or len(jobs) < 2:
        for job in jobs:
            yield do_job(job, devices[0])
        return
    free = list(devices)
    threads = max(1, torch.get_num_threads() // len(devices))
    running: dict[Future[Outcome], str] = {}
    queue = list(jobs)
    with Workers(len(devices), torch.set_num_threads, (threads,)) as workers:
        while queue or running:
            while queue and free:
                device = free.pop(0)
                running[workers.submit(do_job, queue.pop(0), device)] = device
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                free.append(running.pop(future))
                yield future.result()


class _Clock:
    """Counts jobs and guesses the time that is left from those that are finished."""

    def __init__(self, pretrainings: Sequence[Job], finetunings: Sequence[Job], num_devices: int):
        self.num_devices = num_devices
        jobs = [*pretrainings, *finetunings]
        self.total = len(jobs)
        self.seconds: dict[str, list[float]] = {"pretrain": [], "finetune": []}
        self.left = {"pretrain": 0, "finetune": 0}
        for job in jobs:
            if is_finished(job):
                self.seconds[job.kind].append(json.loads(_done_file(job).read_text())["seconds"])
            else:
                self.left[job.kind] += 1

    @property
    def num_done(self) -> int:
        return self.total - sum(self.left.values())

    def summary(self) -> str:
        return f"{self.total} runs, {self.num_done} finished already{self._expected()}"

    def tell(self, outcome: Outcome) -> str:
        job = outcome.job
        self.left[job.kind] -= 1
        if not outcome.error:
            self.seconds[job.kind].append(outcome.seconds)
        end = f"FAILED: {outcome.error}" if outcome.error else f"{outcome.seconds:.0f} s"
        place = f"[{self.num_done}/{self.total}]"
        return f"{place} {job.kind} {job.fit.key}: {end}{self._expected()}"

    def _expected(self) -> str:
        """What is left at the mean of each kind, shared by the devices; "" before it is known."""
        known = [value for values in self.seconds.values() for value in values]
        if not known or not any(self.left.values()):
            return ""
        rest = sum(
            number * float(np.mean(self.seconds[kind] or known))
            for kind, number in self.left.items()
        )
        return f"; about {rest / self.num_devices / 60:.1f} min left"
