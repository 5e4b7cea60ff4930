"""One reading of the cells of a table, for every adapter: missing words, flags, numbers, lists."""

import re

# Words of spreadsheets, pandas, R and databases for "nothing stands here".
_MISSING = {
    *("", "nan", "na", "n/a", "#n/a", "#na", "<na>", "none", "null", "nil", "nat"),
    *("missing", "?", "-", "--", "."),
}
_TRUE = {"1", "1.0", "true", "t", "yes", "y"}
_FALSE = {"0", "0.0", "false", "f", "no", "n"}
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_LONGEST = 10_000  # characters of a cell that is read as a list


def cell(text: str) -> str:
    """The text without blanks around it; "" for every word that means "missing"."""
    text = text.strip()
    return "" if text.lower() in _MISSING else text


def flag(text: str) -> bool | None:
    """Yes or no out of 1, 0, TRUE, false, yes, n, 1.0; None for anything else."""
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def number(text: str) -> float | None:
    """A number, "63,5" too, or None for an empty cell or a word such as "NaN" or "Unknown"."""
    text = text.strip()
    if re.fullmatch(r"[-+]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value else None


def split_labels(text: str, separators: str = ";|,") -> tuple[str, ...]:
    """Different labels out of one cell: "MI; STTC", "['MI', 'STTC']", "{'MI': 100.0}".

    Lists may be written as Python, numpy or JSON print them; of a dict the keys count.
    """
    text = text.strip()
    if text[:1] + text[-1:] in ("[]", "()", "{}") and len(text) <= _LONGEST:
        quoted = [first or second for first, second in _QUOTED.findall(text)]
        inside = [name.partition(":")[0] for name in re.split("[,;|]", text[1:-1])]
        names = quoted or inside
    else:
        for separator in separators[1:]:
            text = text.replace(separator, separators[0])
        names = text.split(separators[0])
    return tuple(dict.fromkeys(name for name in map(cell, names) if name))
