"""What adapters of corpora share: finding files and reading tables, with errors that help."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from anylead.errors import DatasetError

_FLAGS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1", "1.0"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0", "0.0"), False),
}


def corpus_folder(root: Path | None, corpus: str) -> Path:
    """`root`, if it is a folder.

    Raises:
        DatasetError: it is not.
    """
    if root is None:
        raise DatasetError(f"{corpus}: needs the folder of the corpus")
    if not root.is_dir():
        found = "is a file" if root.exists() else "does not exist"
        raise DatasetError(f"{root}: {found}; want the folder of {corpus}")
    return root


def headers(root: Path, pattern: str, corpus: str) -> list[Path]:
    """WFDB headers under `root`, sorted.

    Raises:
        DatasetError: there is none.
    """
    found = sorted(root.glob(pattern))
    if not found:
        raise DatasetError(
            f"{root}: no {pattern} in it; want the unpacked folder of {corpus}"
            f" ({_some_names(root)})"
        )
    return found


def required_file(root: Path, name: str, corpus: str) -> Path:
    """A file that the corpus always has.

    Raises:
        DatasetError: it is missing.
    """
    path = root / name
    if not path.is_file():
        raise DatasetError(
            f"{path} is missing; want the unpacked folder of {corpus} ({_some_names(root)})"
        )
    return path


def table(path: Path, columns: Sequence[str] = ()) -> Iterator[dict[str, str]]:
    """Rows of a CSV file.

    Args:
        path: of the file.
        columns: that it must have.

    Raises:
        DatasetError: it cannot be read, a column is missing, a row has another length.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.DictReader(file)
            missing = [name for name in columns if name not in (rows.fieldnames or ())]
            if missing:
                raise DatasetError(
                    f"{path}: no column {', '.join(missing)}; it has"
                    f" {', '.join(rows.fieldnames or ()) or 'none'}"
                )
            for row in rows:
                if None in row or None in row.values():
                    raise DatasetError(f"{path}: line {rows.line_num} has another number of cells")
                yield row
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None


def split_labels(text: str, separators: str = ";|,") -> tuple[str, ...]:
    """Different labels out of one cell of a table."""
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    names = (name.strip() for name in text.split(separators[0]))
    return tuple(dict.fromkeys(name for name in names if name))


def flag(text: str) -> bool | None:
    """Yes or no out of "True", "TRUE", "1", "1.0", "yes", "f"; None for an empty cell.

    Raises:
        ValueError: any other word.
    """
    word = text.strip().lower()
    if word in ("", "nan", "na", "none", "null"):
        return None
    if word not in _FLAGS:
        raise ValueError(f"{text!r} is neither true nor false")
    return _FLAGS[word]


def number(text: str) -> float | None:
    """A number, or None for an empty cell or a word such as "NaN" or "Unknown"."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None


def _some_names(root: Path, most: int = 3) -> str:
    names: Iterable[str] = sorted(path.name for path in root.iterdir())
    names = list(names)
    if not names:
        return "the folder is empty"
    return f"found {', '.join(names[:most])}{', ...' if len(names) > most else ''}"
