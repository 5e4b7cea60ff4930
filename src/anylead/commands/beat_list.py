"""`anylead delineate --rows beats`: a list of all beats, a tachogram, for recordings of any length.

Each beat is written as soon as it is found, so that a day takes no more memory than a minute.
"""

import csv
import io
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from anylead.commands import screen
from anylead.errors import AnyleadError, RecipeError
from anylead.formats import parse_rename
from anylead.formats.search import divided
from anylead.inference.delineator import delineator_of
from anylead.inference.holter import beats
from anylead.inference.model import Model
from anylead.inference.sources import files_corpus
from anylead.pictures import save, save_pages
from anylead.pictures.output import picture_kind
from anylead.pictures.tachogram import tachogram
from anylead.store.files import whole_file
from anylead.store.unfinished import remove_leftovers

COLUMNS = ("record", "time", "RR_ms", "PR_ms", "QRS_ms", "QT_ms", "class")


@dataclass(frozen=True)
class Asked:
    """What is to be listed.

    Attributes:
        source: files, folders and patterns divided by commas.
        out: a .csv.
        leads: that the model may see; None is all.
        rename: the lead behind a channel's name.
        tachogram: a picture; of several recordings a .pdf with a page for each, or pictures that
            are numbered. None draws none.
    """

    source: str
    out: Path
    leads: str | None
    rename: str
    tachogram: Path | None


def write(asked: Asked, model: Model, console: Console) -> Path:
    """Write the beats of all recordings; returns the file.

    Raises:
        RecipeError: another ending than .csv, or no such file.
        AnyleadError: not one recording could be used.
    """
    if asked.out.suffix != ".csv":
        raise RecipeError(f"{asked.out}: rows beats are written as .csv")
    if asked.out.is_file():
        raise RecipeError(f"{asked.out}: there already; choose another --out or delete it")
    if asked.tachogram is not None:
        picture_kind(asked.tachogram)  # before any work
    remove_leftovers(asked.out)
    delineator_of(model)  # raises
    rename = parse_rename(asked.rename)
    names = [record_id for record_id, _ in files_corpus(divided(asked.source)).items]
    lost: list[str] = []
    count = 0
    drawn: dict[str, array[float]] = {}  # time and RR of each beat, side by side
    with (
        whole_file(asked.out) as file,
        screen.progress(console, "listing beats", len(names)) as bar,
    ):
        file.write(_line(COLUMNS))
        for number, name in enumerate(names, start=1):
            try:
                drawn[name] = array("d")
                for beat in beats(model, name, use_leads=asked.leads, rename=rename):
                    file.write(_line((name, *("" if each is None else each for each in beat))))
                    count += 1
                    if asked.tachogram is not None:
                        drawn[name].extend((beat.time, beat.rr_ms or np.nan))
            except AnyleadError as error:
                if len(names) == 1:
                    raise
                lost.append(f"{name}: {error}")
            bar.to(number, name)
    if asked.tachogram is not None:
        _draw(asked.tachogram, drawn)
    for line in lost:
        screen.say(console, f"left out: {line}")
    screen.say(console, f"{asked.out}: {count:,} beats of {len(names) - len(lost):,} recordings")
    return asked.out


def _line(cells: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _draw(path: Path, drawn: Mapping[str, "array[float]"]) -> None:
    tables = {name: np.array(rows).reshape(-1, 2) for name, rows in drawn.items() if rows}
    pages = (tachogram(table[:, 0], table[:, 1], Path(name).name) for name, table in tables.items())
    if len(tables) == 1:
        save(next(pages), path)
    else:
        save_pages(pages, path)
