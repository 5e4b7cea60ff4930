"""`anylead plot FILE -o page.svg`: draw a recording as printed in a clinic."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from anylead.commands import screen
from anylead.datasets.folder import list_files
from anylead.errors import FormatError, RecipeError
from anylead.formats import parse_rename, read
from anylead.formats.search import fitting, is_pattern
from anylead.pictures import ecg_page, full_disclosure, record_header, save, save_pages
from anylead.pictures.ecg_layout import choose_leads
from anylead.pictures.ecg_page import Paper
from anylead.pictures.output import picture_kind
from anylead.records import Mark, Record
from anylead.signals.filters import bandpass

if TYPE_CHECKING:
    from anylead.inference.model import Model

EXAMPLES = (
    "anylead plot patient.dcm -o page.svg",
    "anylead plot patient.edf -o page.png --layout 6x2 --show_header",
    "anylead plot ecgs/ -o all.pdf --filter 0.5-40",
    "anylead plot holter.edf -o holter.pdf --layout full",
    "anylead plot patient.xml -o page.pdf --waves",
)
FULL = "full"
_TOLD = (
    ("rate", "ECG_Rate", "/min"),
    ("PR", "PR_ms", " ms"),
    ("QRS", "QRS_ms", " ms"),
    ("QT", "QT_ms", " ms"),
    ("QTc (Fridericia)", "QTc_Fridericia_ms", " ms"),
)


@dataclass(frozen=True)
class Recipe:
    """What `anylead plot` needs.

    Attributes:
        file: a recording in any supported format, a folder of them, or a pattern such as "*.dcm".
        out: the picture, .svg, .pdf or .png; of several recordings a .pdf, or a folder.
        layout: ROWSxCOLUMNS[+STRIPS] such as 3x4+1, 6x2, 12x1; "full" is one lead of the whole
            recording, a minute a row; None chooses.
        leads: a named set (12, 6, 4, 3, 2, 1) or a list (I,II,V2); None is all recorded.
        seconds: length of the page; None is 10 s, or what there is.
        start: seconds into the recording.
        gain: mm/mV; None is 10, and 5 where the voltages are too high for the paper.
        speed: mm/s.
        filter: pass band in Hz such as "0.5-40", "-40" or "0.5-"; empty draws what was recorded.
        paper: "A4", landscape, or "fit": as large as the rows need.
        show_header: print what the file says of the patient and the recording above the grid.
        dpi: of a PNG.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
        waves: tint P, QRS and T, and tell the intervals below the page.
        model: that finds the waves; null takes the one in the box.
    """

    file: str
    out: Path = Path("page.svg")
    layout: str | None = None
    leads: str | None = None
    seconds: float | None = None
    start: float = 0.0
    gain: float | None = None
    speed: float = 25.0
    filter: str = ""
    paper: Paper = "A4"
    show_header: bool = False
    dpi: float = 200.0
    rename: str = ""
    waves: bool = False
    model: str | None = None


def run(recipe: Recipe) -> Path:
    """Draw the page or pages; returns where they are.

    Raises:
        FormatError: the file cannot be read, or there is none.
        LeadError: a lead that is unknown or not there.
        RecipeError: the picture's format, the layout, the filter or the times do not fit.
    """
    paths = _files(recipe.file)
    is_many = len(paths) > 1 or Path(recipe.file).is_dir()
    if recipe.out.suffix or not is_many:
        picture_kind(recipe.out)  # before any work
    _band(recipe.filter)
    if recipe.waves and recipe.layout == FULL:
        raise RecipeError("waves: not on pages of a whole recording (layout full)")
    if is_many and recipe.out.suffix not in ("", ".pdf"):
        raise RecipeError(f"{recipe.out}: {len(paths)} recordings; name a .pdf or a folder")
    if is_many and recipe.out.suffix == "":
        stems = Counter(path.stem for path in paths)
        for path in paths:
            whole = "_".join(path.with_suffix("").parts).strip("/_")
            name = path.stem if stems[path.stem] == 1 else whole
            _draw_alone(path, recipe.out / f"{name}.svg", recipe)
    elif is_many:
        save_pages((page for path in paths for page in _pages(_read(path, recipe), recipe)),
                   recipe.out)  # fmt: skip
        print(f"{recipe.out}: {len(paths)} recordings")
    else:
        _draw_alone(paths[0], recipe.out, recipe)
    return recipe.out


def _files(place: str) -> list[Path]:
    if Path(place).is_dir():
        found = list_files(Path(place), None).ecgs
    elif is_pattern(place):
        found = fitting(place)
    else:
        return [Path(place)]
    if not found:
        raise FormatError(f"{place}: no ECG file there")
    return list(found)


def _read(path: Path, recipe: Recipe) -> Record:
    return read(path, parse_rename(recipe.rename))


def _draw_alone(path: Path, out: Path, recipe: Recipe) -> None:
    record = _read(path, recipe)
    if recipe.layout == FULL:
        written = save_pages(_pages(record, recipe), out, recipe.dpi)
        print(f"{written[0]}: {record.seconds / 60:.1f} min, {len(written)} files")
        return
    (figure,) = _pages(record, recipe)
    save(figure, out, recipe.dpi)
    print(f"{out}: {', '.join(choose_leads(record, recipe.leads))}, {record.seconds:.1f} s")


def _pages(record: Record, recipe: Recipe) -> Iterator[Figure]:
    header = record_header(record) if recipe.show_header else ()
    shown = filtered(record, recipe.filter)
    if recipe.layout == FULL:
        yield from full_disclosure(shown, recipe.leads, title="  ·  ".join(header))
        return
    notes = [f"filtered, {recipe.filter} Hz"] if recipe.filter else []
    waves: Sequence[Mark] = ()
    if recipe.waves:
        waves, told = _waves(record, recipe.model)
        notes.append(told)
    yield ecg_page(
        shown,
        layout=recipe.layout,
        leads=recipe.leads,
        header=header or None,
        seconds=recipe.seconds,
        start=recipe.start,
        gain=recipe.gain,
        speed=recipe.speed,
        paper=recipe.paper,
        note="   ·   ".join(notes),
        waves=waves,
    )


def _waves(record: Record, name: str | None) -> tuple[Sequence[Mark], str]:
    """The waves of a recording, and its intervals in words."""
    from anylead.inference.delineator import delineator_of

    model = _model(name)
    (found,) = delineator_of(model).over([record.record_id], model.windows([record]))
    numbers = found.intervals
    told = [
        f"{title} {numbers[key]:.0f}{unit}"
        if numbers[key] is not None
        else f"{title} not measurable"
        for title, key, unit in _TOLD
    ]
    return found.waves, f"blue P, purple QRS, green T: {', '.join(told)}"


@lru_cache(maxsize=1)
def _model(name: str | None) -> "Model":
    from anylead.inference.model import load  # torch, which other pages do without
    from anylead.inference.named import default

    model = load(name or default())
    if name is None:
        screen.say_box(screen.console(stderr=True), model.about.name, model.about.version)
    return model


def filtered(record: Record, band: str) -> Record:
    """The recording with a pass band such as "0.5-40"; missing samples stay missing.

    Raises:
        RecipeError: no band, or one that the sample rate cannot carry.
    """
    low, high = _band(band)
    if low is None and high is None:
        return record
    if max(low or 0, high or 0) >= record.sample_rate / 2:
        raise RecipeError(f"filter {band} Hz: the recording has {record.sample_rate:g} Hz only")
    is_missing = ~np.isfinite(record.signal)
    middle = np.nanmedian(np.where(is_missing, np.nan, record.signal), axis=1, keepdims=True)
    filled = np.where(is_missing, np.nan_to_num(middle), record.signal).astype(np.float32)
    signal = bandpass(filled, record.sample_rate, low, high)
    signal = np.where(is_missing, np.float32(np.nan), signal).astype(np.float32)
    return replace(record, signal=signal, resolution=None)


def _band(text: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    low, dash, high = text.partition("-")
    try:
        edges = (float(low) if low else None, float(high) if high else None)
    except ValueError:
        edges = (None, None)
    low_hz, high_hz = edges
    is_band = dash and edges != (None, None) and all(edge is None or edge > 0 for edge in edges)
    if not is_band or (low_hz is not None and high_hz is not None and low_hz >= high_hz):
        raise RecipeError(
            f'filter {text!r}: want LOW-HIGH in Hz, such as "0.5-40", "0.5-" or "-40"'
        )
    return edges
