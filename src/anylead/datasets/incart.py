"""St. Petersburg INCART 1.0.0 (doi:10.13026/C2V88N): 75 half hours of 32 persons, 12 leads, 257 Hz.

I01.hea ... I75.hea with beats in .atr. Windows of ten seconds are the recordings here; label task
"beats" (AAMI classes). The headers tell whose record it is ("patient 1").
"""

import re
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.holter import read_window, windows
from anylead.datasets.layout import corpus_folder, headers
from anylead.errors import DatasetError, FormatError
from anylead.formats.wfdb_header import read_header
from anylead.signals.beat_rules import CLASSES as BEATS

_NAME = "the St. Petersburg INCART Database"
_PATIENT = re.compile(r"\bpatient\s*#?\s*(\d+)", re.IGNORECASE)


def corpus(root: Path | None, seconds: float = 10.0) -> Corpus:
    """List the windows of all records.

    Args:
        root: folder of the records.
        seconds: length of a window.

    Raises:
        DatasetError: there is no record, no window of that length, or a header names no patient.
    """
    root = corpus_folder(root, _NAME)
    items: list[Item] = []
    for path in headers(root, "I[0-9][0-9].hea", _NAME):
        items += windows(path, seconds, _patient(path))
    return Corpus("incart", items, read_window, {"beats": BEATS})


def _patient(path: Path) -> str:
    try:
        comments = read_header(path).comments
    except FormatError as error:
        raise DatasetError(str(error)) from None
    found = next(filter(None, (_PATIENT.search(comment) for comment in comments)), None)
    if found is None:
        raise DatasetError(
            f"{path}: names no patient; want the headers of {_NAME} with '# patient 1' (those of"
            " the Challenge 2021 go by physionet2021)"
        )
    return found[1]
