"""One reading of the cells of a table, for every adapter: missing words, flags, numbers, lists."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from anylead.errors import DatasetError

# Words of spreadsheets, pandas, R and databases for "nothing stands here".
_MISSING = {
    *("", "nan", "na", "n/a", "#n/a", "#na", "<na>", "none", "null", "nil", "nat"),
    *("missing", "?", "-", "--", "."),
}
_TRUE = {"1", "1.0", "true", "t", "yes", "y", "positive", "pos", "present"}
_FALSE = {"0", "0.0", "false", "f", "no", "n", "negative", "neg", "absent"}
NOBODY = {"unknown", "anonymous", "anon"}
# A spreadsheet shows long numbers so, and no longer knows their last digits.
_ROUNDED = re.compile(r"\d(\.\d+)?[eE]\+\d+")
_NEGATIVE = re.compile(r"-\d+(\.0+)?")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_DENIED = re.compile(r"""(?:'[^'\\]*'|"[^"\\]*")\s*:\s*(?:False|None|false|null)\b""")
_ZERO = re.compile(r"""(?:'[^'\\]*'|"[^"\\]*")\s*:\s*0(?:\.0*)?(?=\s*[,}])""")
_VALUE = re.compile(r"""['"]\s*:\s*([^\s,}]+)""")
# How Python and numpy print a collection.
_CALL = re.compile(r"(?:set|frozenset|array|list|tuple)\((.*?)(?:,\s*dtype=\S+)?\)", re.DOTALL)
_LONGEST = (
    10_000  # characters of a list in which quotes are looked at: the time grows as its square
)
_CODE = re.compile(r"(\d{6,18})(?:\.0)?")
# A spreadsheet keeps zeros in front of a number in this way.
_FORMULA = re.compile(r'="([^"]*)"')
_INVISIBLE = str.maketrans("", "", "\u200b\u200c\u200d\u2060\ufeff")


def cell(text: str) -> str:
    """The text as it looks, without blanks around it; "" for every word that means "missing"."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text.translate(_INVISIBLE))
    text = text.strip()
    if found := _FORMULA.fullmatch(text):
        text = found[1].strip()
    return "" if text.lower() in _MISSING else text


def flag(text: str) -> bool | None:
    """Yes or no out of 1, 0, TRUE, false, yes, n, 1.0, negative; None for anything else."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def number(text: str) -> float | None:
    """A number, "63,5" and "55 %" too, or None for an empty cell, infinity or a word."""
    text = text.strip().removesuffix("%").rstrip()
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def code(text: str) -> str | None:
    """A code of SNOMED CT (6 to 18 digits), also where it went through a column of floats."""
    found = _CODE.fullmatch(text)
    return found[1] if found else None


def split_labels(text: str, separators: str = ";|,") -> tuple[str, ...]:
    """Different labels out of one cell: "MI; STTC", "['MI', 'STTC']", "{'MI': 100.0}".

    Lists may be written as Python, numpy or JSON print them; of a dict the keys count, but for
    those that are False, None or, beside nothing but 0 and 1, 0. A new line divides labels, too.
    """
    text = text.strip()
    if call := _CALL.fullmatch(text):
        text = call[1].strip() or "[]"
    if text[:1] + text[-1:] in ("[]", "()", "{}"):
        short = _DENIED.sub("", text) if len(text) <= _LONGEST else ""
        if are_flags(_VALUE.findall(short)):
            short = _ZERO.sub("", short)
        quoted = [first or second for first, second in _QUOTED.findall(short)]
        inside = [name.partition(":")[0] for name in re.split("[,;|]", (short or text)[1:-1])]
        names = quoted or [name.strip(" '\"\n") for name in inside]
    else:
        names = re.split(f"[{re.escape(separators)}\n]", text)
    return tuple(dict.fromkeys(code(name) or name for name in map(cell, names) if name))


def are_flags(values: Sequence[str]) -> bool:
    """Whether the numbers beside the names of labels say yes and no: 0 and 1 and nothing else.

    The likelihoods of PTB-XL do not, where 0.0 stands for "not stated": there 100.0 is beside it,
    or 0.0 alone.
    """
    found = set(values)
    return found <= {"0", "1", "0.0", "1.0"} and not found <= {"0.0"}


def one_spelling(path: Path, patients: Sequence[str]) -> dict[str, str]:
    """Cell -> patient: "7", "7.0" and "007" of one table are the same person, -1 is nobody.

    Raises:
        DatasetError: a number that a spreadsheet rounded, or a 0 that seems to be nobody.
    """
    first: dict[str, str] = {}
    found = {}
    for text in patients:
        if not text or text.lower() in NOBODY or _NEGATIVE.fullmatch(text):
            continue
        if _ROUNDED.fullmatch(text):
            raise DatasetError(
                f"{path}: patient {text!r} is a number that was rounded, so that different"
                " patients may be one; write the column as text"
            )
        plain = re.sub(r"(?<=\d)\.0+$", "", text) if re.fullmatch(r"\d+\.0+", text) else text
        key = plain.lstrip("0") if plain.isdecimal() else plain
        found[text] = first.setdefault(key, plain)
    told = Counter(found[text] for text in patients if text in found)
    zeros = told.pop(first[""], 0) if "" in first else 0
    if told and zeros > 2 * max(told.values()):
        raise DatasetError(
            f"{path}: patient {first['']!r} has {zeros} recordings, nobody else as many; empty its"
            " cells if it stands for unknown, or give it another name"
        )
    return found
