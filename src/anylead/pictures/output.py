"""A figure -> bytes or a file, the same bytes every time."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Literal, cast, get_args

import matplotlib as mpl
from matplotlib.figure import Figure

from anylead.errors import AnyleadError, RecipeError, StoreError
from anylead.store.files import write_result

PictureKind = Literal["svg", "pdf", "png"]
KINDS: tuple[str, ...] = get_args(PictureKind)

# A person's own matplotlib settings must not change the scale of a page ("tight" would).
SETTINGS: Any = {
    "savefig.bbox": None,
    "savefig.transparent": False,
    "text.hinting": "none",  # hinted letters are wider or narrower than the page was made for
    "svg.fonttype": "none",  # text stays text: it can be searched, and read aloud
    "svg.hashsalt": "anylead",
    "pdf.fonttype": 42,
}
# No dates, so that the same input gives the same bytes.
_METADATA: dict[str, dict[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
    "png": {},
}
# The settings above are the process's own; one thread at a time may hold them.
_LOCK = Lock()


def render(figure: Figure, kind: PictureKind = "svg", dpi: float = 200) -> bytes:
    """The figure as a file's bytes; safe to call from several threads.

    Args:
        figure: any figure of this room.
        kind: SVG and PDF are vectors in true size; PNG has `dpi` pixels per inch.
        dpi: of PNG, and of points drawn as a raster within the others.
    """
    buffer = BytesIO()
    with _LOCK, mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # A letter that the font lacks becomes a box; what was drawn is nothing for a log.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        _settle(figure)
        figure.savefig(buffer, format=kind, dpi=dpi, metadata=_METADATA[kind])
    return buffer.getvalue()


@dataclass(frozen=True, eq=False)
class Drawing:
    """A figure that notebooks show and that can be saved."""

    figure: Figure

    def save(self, path: str | Path, dpi: float = 200) -> Path:
        """Write it as .svg, .pdf or .png."""
        save(self.figure, Path(path), dpi)
        return Path(path)

    def _repr_svg_(self) -> str:
        return render(self.figure).decode()


def _settle(figure: Figure) -> None:
    """Lay the figure out once: doing it again at each drawing would move things a little."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def save(figure: Figure, path: Path, dpi: float = 200) -> None:
    """Write the figure in the format its file name ends with, whole or not at all.

    Raises:
        RecipeError: the name does not end with .svg, .pdf or .png.
        AnyleadError: the file cannot be written.
    """
    write_whole(path, render(figure, picture_kind(path), dpi))


def save_pages(figures: Iterable[Figure], path: Path, dpi: float = 200) -> list[Path]:
    """Write several pages: one PDF, or SVG and PNG files that are numbered; returns the files.

    Raises:
        RecipeError: the name does not end with .svg, .pdf or .png.
        AnyleadError: a file cannot be written.
    """
    kind = picture_kind(path)
    if kind != "pdf":
        written = []
        for number, figure in enumerate(figures, start=1):
            written.append(path.with_name(f"{path.stem}-{number:02d}{path.suffix}"))
            save(figure, written[-1], dpi)
        return written
    from matplotlib.backends.backend_pdf import PdfPages

    buffer = BytesIO()
    with _LOCK, mpl.rc_context(SETTINGS), PdfPages(buffer, metadata=_METADATA["pdf"]) as pages:
        for figure in figures:
            _settle(figure)
            pages.savefig(figure)
    write_whole(path, buffer.getvalue())
    return [path]


def picture_kind(path: Path) -> PictureKind:
    """The picture format a file name asks for.

    Raises:
        RecipeError: none that can be drawn.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in KINDS:
        raise RecipeError(
            f"{path}: a picture is saved as .svg, .pdf or .png; end the name with one of them"
        )
    return cast(PictureKind, kind)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written; missing folders are made.

    Raises:
        AnyleadError: the file cannot be written.
    """
    try:
        write_result(path, content)
    except StoreError as error:
        reason = getattr(error.__cause__, "strerror", None) or error.__cause__
        raise AnyleadError(f"{path}: cannot be written ({reason}); name another place") from error
