"""anylead identify: who is this? The nearest persons of a gallery, or "unknown"."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anylead.checkpoint import write_atomically
from anylead.commands import screen
from anylead.errors import RecipeError
from anylead.formats import parse_rename, read
from anylead.formats.search import divided
from anylead.inference.gallery import (
    UNKNOWN,
    Candidate,
    check_model,
    ecg_files,
    load_gallery,
    model_of,
    search,
    threshold_for,
    weights_hash,
)

EXAMPLES = (
    "anylead identify unknown.dcm --gallery gallery/",
    "anylead identify one.edf two.edf --top 3 --json",
)


@dataclass(frozen=True)
class Recipe:
    """Who is asked about.

    Attributes:
        files: ECG files, folders, or patterns, separated by commas.
        gallery: folder of `anylead enroll`.
        model: null takes the one that made the gallery; where that was moved, name it.
        top: persons shown for each file.
        threshold: below this cosine the answer is "unknown"; null takes it from `false_accept`.
        false_accept: share of the gallery's pairs of two persons that may reach the threshold.
        index: "exact" compares with everyone; "faiss" is the same for very large galleries.
        out: a CSV of the answers.
        json: print the answers as JSON.
        leads: what the model may see of the leads that are there; a named set or a list; null
            is all.
        device: "cpu", "cuda"; null takes a GPU where there is one.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
    """

    files: str
    gallery: str = "gallery"
    model: str | None = None
    top: int = 5
    threshold: float | None = None
    false_accept: float = 0.01
    index: str = "exact"
    out: str | None = None
    json: bool = False
    leads: str | None = None
    device: str | None = None
    rename: str = ""


class Answer(NamedTuple):
    """Who a recording is of.

    file: of the recording.
    person: the nearest one, or "unknown".
    candidates: the nearest persons, nearest first.
    """

    file: str
    person: str
    candidates: list[Candidate]


def run(recipe: Recipe) -> list[Answer]:
    """Look for each file in the gallery; prints a table.

    Raises:
        CheckpointError: no gallery, or another model than the one that made it.
        FormatError: a file that cannot be used.
        RecipeError: a setting out of range.
    """
    if recipe.top < 1:
        raise RecipeError(f"top {recipe.top}: want 1 or more")
    gallery = load_gallery(Path(recipe.gallery))
    model = model_of(gallery, Path(recipe.gallery), recipe.device, recipe.model)
    check_model(gallery, weights_hash(model), recipe.model or gallery.model)
    threshold = recipe.threshold
    if threshold is None:
        threshold = threshold_for(gallery, recipe.false_accept)
    files = ecg_files(divided(recipe.files))
    rename = parse_rename(recipe.rename)
    records = [read(path, rename) for path in files]
    vectors = np.asarray(model.embed(records, use_leads=recipe.leads), dtype=np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    answers = [
        Answer(str(file), found[0].person if found[0].cosine >= threshold else UNKNOWN, found)
        for file, found in zip(
            files, search(gallery, vectors, recipe.top, recipe.index), strict=True
        )
    ]
    if recipe.json:
        screen.print_json([_plain(answer) for answer in answers])
    else:
        show(answers, threshold)
    if recipe.out:
        write_atomically(Path(recipe.out), as_csv(answers).encode())
    return answers


def show(answers: Sequence[Answer], threshold: float) -> None:
    """One row for each file."""
    rows = []
    for answer in answers:
        others = "\n".join(f"{c.person} {c.cosine:.3f}" for c in answer.candidates[1:])
        rows.append((answer.person, f"{answer.candidates[0].cosine:.3f}", others, answer.file))
    print(f"threshold {threshold:.3f}")
    screen.show_table(screen.console(), ("person", "cosine", "next", "file"), rows)


def _plain(answer: Answer) -> dict[str, Any]:
    candidates = [each._asdict() for each in answer.candidates]
    return {**answer._asdict(), "candidates": candidates}


def as_csv(answers: Sequence[Answer]) -> str:
    """file, answer, then the candidates with their cosines."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    most = max(len(answer.candidates) for answer in answers)
    places = range(1, most + 1)
    writer.writerow(["file", "person", *(f"{n}_{i}" for i in places for n in ("person", "cosine"))])
    for answer in answers:
        cells = [cell for c in answer.candidates for cell in (c.person, f"{c.cosine:.6f}")]
        writer.writerow([answer.file, answer.person, *cells])
    return text.getvalue()
