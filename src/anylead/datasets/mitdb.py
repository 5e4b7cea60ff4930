"""MIT-BIH Arrhythmia 1.0.0 (doi:10.13026/C2F305): 48 half hours of 47 persons, 2 leads, 360 Hz.

100.hea ... 234.hea with beats and rhythms in .atr. Windows of ten seconds are the recordings here;
label tasks "beats" (AAMI classes) and "rhythm". The split is that between persons of de Chazal et
al. 2004 (doi:10.1109/TBME.2004.827359): DS1 trains, DS2 tests; the four paced records (102, 104,
107, 217) have none, as ANSI/AAMI EC57 leaves them out. Whole records are scored, as there; EC57
begins five minutes into each.
"""

from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.holter import read_window, windows
from anylead.datasets.layout import corpus_folder, headers
from anylead.records import Split
from anylead.signals.beat_rules import CLASSES as BEATS

_NAME = "the MIT-BIH Arrhythmia Database"
_TRAIN = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
_TEST = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
_SPLITS: dict[str, Split] = {**dict.fromkeys(_TRAIN, "train"), **dict.fromkeys(_TEST, "test")}
_SAME_PERSON = {"202": "201"}
_NOTES = {
    False: "mitdb: records 201 and 202 are of one person, and the usual split puts one on each"
    " side; here both train.",
    True: "mitdb: the split as published; record 202 tests though 201, which trains, is of the same"
    " person.",
}
RHYTHMS = (
    *("N", "AFIB", "AFL", "AB", "B", "BII", "IVR", "NOD", "P", "PREX", "SBR", "SVTA", "T"),
    *("VFL", "VT"),
)


def corpus(root: Path | None, seconds: float = 10.0, as_published: bool = False) -> Corpus:
    """List the windows of all records.

    Args:
        root: folder of the records.
        seconds: length of a window.
        as_published: record 202 counts as a person of its own and tests, as in the paper.

    Raises:
        DatasetError: there is no record, or no window of that length.
    """
    root = corpus_folder(root, _NAME)
    items: list[Item] = []
    for path in headers(root, "[12][0-9][0-9].hea", _NAME):
        person = path.stem if as_published else _SAME_PERSON.get(path.stem, path.stem)
        items += windows(path, seconds, person, _SPLITS.get(person))
    return Corpus(
        "mitdb", items, read_window, {"beats": BEATS, "rhythm": RHYTHMS}, _NOTES[as_published]
    )
