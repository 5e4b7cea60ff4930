"""`anylead plot FILE -o page.svg`: draw a recording as printed in a clinic."""

from dataclasses import dataclass
from pathlib import Path

from anylead.formats import parse_rename, read
from anylead.pictures import ecg_page, record_header, save
from anylead.pictures.output import picture_kind

EXAMPLES = (
    "anylead plot patient.dcm -o page.svg",
    "anylead plot patient.edf -o page.png --layout 6x2 --show_header",
)


@dataclass(frozen=True)
class Recipe:
    """What `anylead plot` needs.

    Attributes:
        file: a recording in any supported format.
        out: the picture, .svg, .pdf or .png.
        layout: ROWSxCOLUMNS[+STRIPS] such as 3x4+1, 6x2, 12x1; None chooses.
        leads: a named set (12, 6, 4, 3, 2, 1) or a list (I,II,V2); None is all recorded.
        seconds: length of the page; None is 10 s, or what there is.
        start: seconds into the recording.
        show_header: print what the file says of the patient and the recording above the grid.
        dpi: of a PNG.
        rename: the lead behind a channel's name, such as "ECG=I" or "ECG 1=II,ECG 2=V5".
    """

    file: Path
    out: Path = Path("page.svg")
    layout: str | None = None
    leads: str | None = None
    seconds: float | None = None
    start: float = 0.0
    show_header: bool = False
    dpi: float = 200.0
    rename: str = ""


def run(recipe: Recipe) -> Path:
    """Draw the page; returns where it is.

    Raises:
        FormatError: the file cannot be read.
        LeadError: a lead that is unknown or not there.
        RecipeError: the picture's format, the layout or the times do not fit.
    """
    picture_kind(recipe.out)  # before any work
    record = read(recipe.file, parse_rename(recipe.rename))
    figure = ecg_page(
        record,
        layout=recipe.layout,
        leads=recipe.leads,
        header=record_header(record) if recipe.show_header else None,
        seconds=recipe.seconds,
        start=recipe.start,
    )
    save(figure, recipe.out, recipe.dpi)
    print(f"{recipe.out}: {', '.join(record.leads)}, {record.seconds:.1f} s")
    return recipe.out
