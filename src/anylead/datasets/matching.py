"""Which row of a table is about which file, by names that are written in many ways.

A row fits a file when one of the two names ends with the other, whole parts of the path counted:
`r1`, `r1.csv`, `a/r1` and `C:/study/a/r1.csv` all fit `a/r1.csv`, and `b/r1` does not. Where
nothing fits so, capitals and then zeros in front of numbers are overlooked.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from anylead.errors import DatasetError

_ENDING = re.compile(r"\.(?=[A-Za-z])[A-Za-z0-9]{1,8}$")


def rows_of_files(table: Path, names: Sequence[str], files: Sequence[str]) -> list[int | None]:
    """The row of each file, None where no row fits.

    Args:
        table: named in messages.
        names: what the rows call their files, with "/" between folders.
        files: paths from the common root, with "/" between folders.

    Raises:
        DatasetError: a file that fits several rows, or a row that fits files of several names.
    """
    # Some systems write the names of files with accents as letters of their own.
    names, files = (
        [unicodedata.normalize("NFC", name) for name in each] for each in (names, files)
    )
    found: list[int | None] = [None] * len(files)
    for spell in (str, str.casefold, _without_zeros):
        taken = set(found)
        rows = [row for row in range(len(names)) if row not in taken]
        _match(table, names, rows, files, found, spell)
    _check_rows(table, names, files, found)
    return found


def _match(
    table: Path,
    names: Sequence[str],
    rows: Sequence[int],
    files: Sequence[str],
    found: list[int | None],
    spell: Callable[[str], str],
) -> None:
    """Fill in the rows of files that have none yet, with names spelled in one way."""
    whole: dict[str, set[int]] = defaultdict(set)
    ends: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        for name in _spellings(spell(names[row])):
            whole[name].add(row)
            for end in _ends(name):
                ends[end].add(row)
    for place, file in enumerate(files):
        if found[place] is not None:
            continue
        fitting: set[int] = set()
        for name in _spellings(spell(file)):
            fitting = fitting or ends.get(name, set())
        for end in _ends_by_length(spell(file)):
            fitting = fitting or whole.get(end, set())
        if len(fitting) > 1:
            listed = ", ".join(repr(names[row]) for row in sorted(fitting)[:3])
            raise DatasetError(
                f"{table}: {file} fits {len(fitting)} rows ({listed}); write the path of each file"
            )
        found[place] = next(iter(fitting), None)


def _check_rows(
    table: Path, names: Sequence[str], files: Sequence[str], found: Sequence[int | None]
) -> None:
    """Files of one row are one recording in several formats, or the row cannot tell them apart."""
    stems: dict[int, set[str]] = defaultdict(set)
    for file, row in zip(files, found, strict=True):
        if row is not None:
            stems[row].add(PurePosixPath(file).with_suffix("").as_posix())
    for row, several in stems.items():
        if len(several) > 1:
            listed = ", ".join(sorted(several)[:3])
            raise DatasetError(
                f"{table}: {names[row]!r} fits {len(several)} files ({listed}); write the path of"
                " each file"
            )


def _spellings(name: str) -> list[str]:
    """With its ending and without."""
    bare = _ENDING.sub("", name)
    return [name] if bare == name else [name, bare]


def _ends(name: str) -> list[str]:
    """The path and what is left of it without its first folders."""
    parts = name.split("/")
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _ends_by_length(file: str) -> list[str]:
    """Every end of a path, the longest first, each with its ending and without."""
    return [spelling for end in _ends(file) for spelling in _spellings(end)]


def _without_zeros(name: str) -> str:
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", name.casefold())
