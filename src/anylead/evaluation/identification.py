"""Identification by lead set: is the nearest recording of the gallery of the same person?

Each patient with two or more recordings gives one to the gallery and another as a probe (Oh et al.
2022, arXiv:2203.06889, section 4.2); one random segment of each, drawn several times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from anylead.augment.keep_leads import KeepLeads
from anylead.checkpoint import Checkpoint
from anylead.errors import RecipeError
from anylead.evaluation.scores import (
    Evaluation,
    Evidence,
    LeadSetScores,
    Settings,
    about,
    choose_split,
    command,
    logs_of,
    main_by_run,
    open_store,
    triples,
)
from anylead.loading.draws import Part, drawn_batches
from anylead.metrics.bootstrap import Statistic
from anylead.metrics.identification import (
    IdentificationScores,
    cosine_similarity,
    identification_scores,
)
from anylead.metrics.weighted import mean
from anylead.models import build_encoder, load_weights
from anylead.pictures import identification_report
from anylead.store import Store
from anylead.tasks import Identification, Sessions, embed, two_sessions
from anylead.training.distributed import choose_device, choose_precision


class Searched(NamedTuple):
    """Embeddings of one lead set and their scores.

    gallery, probe: (draw, patient, dim).
    patient: (patient,) whose they are.
    scores: of them.
    """

    gallery: NDArray[np.float32]
    probe: NDArray[np.float32]
    patient: NDArray[np.int64]
    scores: IdentificationScores


@dataclass
class IdentificationRun:
    """A fine-tuned run, its data, and what it found per lead set."""

    folder: Path
    split: str
    store: Store
    sessions: Sessions
    segment_seconds: float
    module: Identification
    settings: Settings
    searched: dict[str, Searched] = field(default_factory=dict)

    def by_task(self) -> list["IdentificationRun"]:
        """It has one task."""
        return [self]

    def score(self, lead_set: str) -> LeadSetScores:
        """Rank-1 and rank-5 accuracy and equal error rate with their intervals."""
        found = self.search(lead_set)
        scores = found.scores
        return LeadSetScores(
            self.folder.name,
            lead_set,
            {"rank_1": scores.rank_1, "rank_5": scores.rank_5, "eer": scores.eer},
            {},
            len(found.patient),
            len(self.sessions.gallery) - len(found.patient),
        )

    def evidence(self, lead_set: str) -> Evidence:
        """The share of draws in which each patient is found."""
        scores = self.search(lead_set).scores
        return Evidence(scores.probe_patient, {"is_first": scores.is_first}, [])

    def search(self, lead_set: str) -> Searched:
        """Look for every probe in the gallery.

        Raises:
            RecipeError: fewer than two patients have any of these leads in both recordings.
        """
        if lead_set not in self.searched:
            has_any = np.asarray(KeepLeads(lead_set).is_kept(self.store.has_lead).any(axis=1))
            both = has_any[self.sessions.gallery] & has_any[self.sessions.probe]
            if both.sum() < 2:
                raise RecipeError(f"lead set {lead_set!r}: {both.sum()} patients have these leads")
            gallery, probe = self.sessions.gallery[both], self.sessions.probe[both]
            is_halves = self.settings.sessions == "halves"
            known = self._embed(gallery, "first half" if is_halves else "whole", lead_set)
            asked = self._embed(probe, "second half" if is_halves else "whole", lead_set)
            patient = self.store.patient[gallery]
            settings = self.settings
            scores = identification_scores(
                known, patient, asked, patient, settings.num_resamples, settings.seed
            )
            self.searched[lead_set] = Searched(known, asked, patient, scores)
        return self.searched[lead_set]

    def _embed(self, rows: NDArray[np.int64], part: Part, lead_set: str) -> NDArray[np.float32]:
        """(draw, record, dim)."""
        settings, device = self.settings, choose_device(self.settings.device)
        self.module.to(device)
        draws = []
        for draw in range(settings.num_draws):
            batches = drawn_batches(
                self.store,
                rows,
                self.segment_seconds,
                settings.batch_size,
                settings.seed + draw,
                part,
            )
            precision = choose_precision(settings.precision, device)
            restrict = KeepLeads(lead_set)
            draws.append(embed(self.module, batches, device, precision, restrict)[1])
        return np.stack(draws)


def open_run(folder: Path, checkpoint: Checkpoint, settings: Settings) -> IdentificationRun:
    """A run beside its data.

    Raises:
        RecipeError: too few patients with two recordings.
    """
    described = checkpoint.description
    store, scheme = open_store(checkpoint, settings, folder)
    split, rows = choose_split(store, None, scheme, settings.split)
    sessions = find_sessions(store, split, rows, settings)
    num_classes = len(checkpoint.tensors["head.weight"])
    module = Identification(
        build_encoder(described["encoder"], checkpoint.part("encoder"), str(folder)),
        torch.zeros(0, dtype=torch.int64),
        lambda batch: batch,
        num_classes=num_classes,
    )
    load_weights(module, checkpoint.tensors, str(folder))
    return IdentificationRun(
        folder, split, store, sessions, described["segment_seconds"], module, settings
    )


def find_sessions(
    store: Store, split: str, rows: NDArray[np.int64], settings: Settings
) -> Sessions:
    """Which recordings of a split are known and which are asked about.

    Raises:
        RecipeError: too few patients with two recordings.
    """
    if settings.sessions == "halves":
        sessions = Sessions(rows, rows)
    else:
        seed = None if settings.sessions == "first_recordings" else settings.seed
        sessions = two_sessions(rows, store.patient, seed)
    if len(sessions.gallery) < 2:
        raise RecipeError(
            f"split {split!r} of {store.location}: {len(sessions.gallery)} patients have two"
            " recordings; with --sessions halves the halves of one recording are compared,"
            " which is much easier"
        )
    return sessions


def statistics(evidence: Evidence) -> dict[str, Statistic]:
    """Rank-1 accuracy as a function of weights."""
    return {"rank_1": mean(evidence.arrays["is_first"])}


def report(path: Path, runs: Sequence[IdentificationRun], scores: Sequence[LeadSetScores]) -> None:
    """Scores, verification curves and the logs in one HTML file."""
    main = runs[0]
    lead_set, found = next(iter(main.searched.items()))
    genuine, impostor, cmc = pair_scores(found)
    compared = {
        "recordings": "two recordings of each patient",
        "first_recordings": "the first two recordings of each patient",
        "halves": "the two halves of each recording (much easier than another recording)",
    }[main.settings.sessions]
    identification_report.write(
        path,
        identification_report.Facts(
            command=command(
                [run.folder for run in runs],
                list(dict.fromkeys(score.lead_set for score in scores)),
                main.settings,
            ),
            about=about(
                main.store, main.split, len(main.sessions.gallery), main.settings.num_resamples
            )
            + f" Compared are {compared}, one random segment each, drawn"
            f" {main.settings.num_draws} times.",
            score_by_run=main_by_run(scores, "rank_1"),
            rows=[
                {
                    "run": row.run,
                    "leads": row.lead_set,
                    **triples(row.macro),
                    "patients": row.num_records,
                }
                for row in scores
            ],
            pairs_of=f"{main.folder.name}, leads {lead_set}",
            genuine=genuine,
            impostor=impostor,
            cmc=cmc,
            logs=logs_of(runs),
        ),
    )


def pair_scores(found: Searched) -> tuple[NDArray[np.float64], ...]:
    """Cosines of one person's pairs, of two persons' pairs, and the share found by rank."""
    cosine = np.stack(
        [cosine_similarity(p, g) for p, g in zip(found.probe, found.gallery, strict=True)]
    )  # (draw, probe, gallery)
    own = np.diagonal(cosine, axis1=1, axis2=2)
    is_other = ~np.eye(cosine.shape[1], dtype=bool)
    rank = 1 + (cosine > own[:, :, None]).sum(axis=2)
    cmc = np.array([(rank <= k).mean() for k in range(1, min(10, cosine.shape[1]) + 1)])
    return own.ravel(), cosine[:, is_other].ravel(), cmc


IDENTIFICATION = Evaluation(open_run, report, statistics, lambda _: ["rank_1"], ("level",))
