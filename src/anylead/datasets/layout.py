"""What adapters of corpora share: finding files and reading tables, with errors that help."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from anylead.datasets.cells import are_flags, cell
from anylead.errors import DatasetError, FormatError
from anylead.formats.guard import check_regular

_PIECE = 2**20
_HEAD = 200
_SPREADSHEET = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SEPARATORS = (",", ";", "\t", "|")
# JSON, XML, and bytes of files that are no text.
_NO_TABLE = re.compile(r"\s*[\[{<]|.*[\x00-\x08\x0e-\x1f]")
_WANTED = "no table of text; save it as CSV or Parquet"


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
    """Rows of a table, each cell read by `cells.cell`; rows without any cell are left out.

    Parquet goes by its ending. In text commas, semicolons, tabs or "|" divide the cells (the first
    lines tell which); UTF-8, UTF-16 and, where it is neither, the Windows code page 1252 are read.
    Blank lines, and lines of "#" above the names of the columns, are left out.

    Args:
        path: of the file.
        columns: that it must have.

    Raises:
        DatasetError: it cannot be read, a column is missing or stands twice, a row has another
            length.
    """
    _check_plain(path)
    if path.suffix.lower() in (".parquet", ".pq"):
        yield from _parquet_rows(path, columns)
        return
    try:
        encoding = encoding_of(path)
        with path.open(newline="", encoding=encoding) as file:
            skipped, separator = _head(path, list(islice(file, _HEAD)))
            file.seek(0)
            rows = csv.reader(islice(file, skipped, None), delimiter=separator)
            header = [name.strip() for name in next(rows, [])]
            _check_header(path, header, columns)
            for row in rows:
                cells = [cell(text) for text in row]
                if not any(cells):
                    continue
                if len(cells) != len(header):
                    is_title = len(header) == 1
                    raise DatasetError(
                        f"{path}: line {skipped + rows.line_num} has {len(cells)} cells, the"
                        f" first line {len(header)}"
                        + f"; remove {header[0]!r} above the names of the columns"
                        * is_title
                    )
                yield dict(zip(header, cells, strict=True))
    except UnicodeError:
        raise DatasetError(f"{path}: {_WANTED}") from None
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{path}: cannot be read ({error})") from None


def _parquet_rows(path: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    import pyarrow.parquet as pq

    try:
        # One file: read_table would take columns of one name for an error of its own.
        found = pq.ParquetFile(path).read()
    except Exception as error:  # arrow raises errors of many kinds
        raise DatasetError(f"{path}: cannot be read ({error})") from None
    header = [name.strip() for name in found.column_names]
    _check_header(path, header, columns)
    for values in zip(*(column.to_pylist() for column in found.columns), strict=True):
        cells = [text_of(path, name, value) for name, value in zip(header, values, strict=True)]
        if any(cells):
            yield dict(zip(header, cells, strict=True))


def text_of(path: Path, column: str, value: Any) -> str:
    """A value of a Parquet table, or of one in memory, as a cell of text."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return cell(value.decode("utf-8", errors="replace"))
    if isinstance(value, dict):
        told = {
            name: said for name, said in value.items() if said is not None and said is not False
        }
        numbers = [str(said) for said in told.values() if said is not True]
        value = [name for name, said in told.items() if said or not are_flags(numbers)]
    if isinstance(value, list | tuple | set):
        if any(isinstance(item, dict) for item in value):
            raise DatasetError(f"{path}: column {column!r} holds records in lists; want texts")
        # Of a map the keys count.
        names = [item[0] if isinstance(item, tuple) else item for item in value]
        # An empty list says that nothing was found, as "[]" does.
        return ";".join(text for name in names if (text := text_of(path, column, name))) or "[]"
    return cell(str(value))


def _check_plain(path: Path) -> None:
    try:
        check_regular(path)
    except FormatError as error:
        text = str(error) if path.exists() else f"{path}: cannot be read (no such file)"
        raise DatasetError(text.replace("name a file", "name a table")) from None


def encoding_of(path: Path) -> str:
    """How the text of a table is written: UTF-8, UTF-16, or else the Windows code page 1252.

    Raises:
        DatasetError: it is a workbook of a spreadsheet.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        piece = file.read(_PIECE)
        if piece.startswith(_SPREADSHEET):
            raise DatasetError(f"{path}: a workbook of a spreadsheet; save it as CSV")
        if piece.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        # Text of the first lines, without a mark: every other byte is zero.
        if b"\0" in piece[:_HEAD]:
            return "utf-16-le" if piece[1:2] == b"\0" else "utf-16-be"
        try:
            while piece:
                decoder.decode(piece)
                piece = file.read(_PIECE)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _head(path: Path, lines: list[str]) -> tuple[int, str]:
    """How many lines stand above the names of the columns, and what divides the cells."""
    if _NO_TABLE.match("".join(lines)):
        raise DatasetError(f"{path}: {_WANTED}")
    if lines and lines[0].lower().startswith("sep="):  # a spreadsheet's way to tell the separator
        return 1, lines[0][4:5]
    filled = [number for number, line in enumerate(lines) if line.strip("\ufeff\r\n\t ,;|")]
    first = next((at for at, n in enumerate(filled) if not lines[n].startswith("#")), None)
    if first is None:
        return 0, ","
    bare = [re.sub(r'"[^"]*"', "", lines[number]) for number in filled]
    above = lines[filled[first] - 1] if filled[first] else ""
    mark = _separator(above, bare[first])
    if mark and above.startswith("#") and above.count(mark) == bare[first].count(mark):
        first -= 1  # "# record,AF", as numpy writes it
    names, row = bare[first], "".join(bare[first + 1 : first + 2])
    return filled[first], _separator(names, row or names) or _separator(names, names) or ","


def _separator(names: str, row: str) -> str:
    """What divides the names of the columns and the row below, outside of quotes; "" if nothing."""
    counts = {mark: min(names.count(mark), row.count(mark)) for mark in _SEPARATORS}
    found = max(_SEPARATORS, key=lambda mark: counts[mark])
    return found if counts[found] else ""


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise DatasetError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(header) or 'none'}"
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DatasetError(f"{path}: the column {twice[0]!r} stands twice; rename one")


def _some_names(root: Path, most: int = 3) -> str:
    names: Iterable[str] = sorted(path.name for path in root.iterdir())
    names = list(names)
    if not names:
        return "the folder is empty"
    return f"found {', '.join(names[:most])}{', ...' if len(names) > most else ''}"
