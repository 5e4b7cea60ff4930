"""Apple Watch: the CSV of an ECG that Apple's Health exports, in any language.

    Name,Jane
    Recorded Date,2020-01-31 10:59:19 +0100
    Sample Rate,513.6 hertz

    Lead,Lead I
    Unit,uV

    -12.3

A head of names and values, in the language of the phone, then one value a line; some languages
write decimal commas. What the values are tells which line is which.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anylead.errors import FormatError
from anylead.formats.assemble import About, Channel, build_record
from anylead.formats.channels import Rename
from anylead.formats.guard import guarded
from anylead.formats.units import is_voltage
from anylead.records import Record

MAX_BYTES = 16 * 2**20  # thirty seconds take 0.2 MB
MAX_HEAD_LINES = 40
LONGEST = 200  # of a line
RATE = re.compile(
    r"(\d{2,5}(?:[.,]\d+)?)\s*(?:hertz|hercios|hertzios|hz|герц\w*|赫兹|赫茲|ヘルツ|헤르츠)", re.I
)
RECORDED = re.compile(r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d:\d\d:\d\d)(?:\s*([+-]\d\d):?(\d\d))?")
LEAD = re.compile(r"(?:^|[\s_-])(I{1,3}|V[1-6]|aV[RLF])\s*$", re.I)
VALUE = re.compile(r'^"?-?\d+(?:[.,]\d+)?(?:[eE]-?\d+)?"?[,;]?$')
NAMES = (
    "name",
    "nome",
    "nombre",
    "nom",
    "naam",
    "navn",
    "namn",
    "nimi",
    "имя",
    "名前",
    "姓名",
    "이름",
)
CLASSIFIED = re.compile(r"^(classif|klassifi|clasifi|luokitus|классиф|分类|分類|분류)", re.I)


def matches(head: bytes, path: Path) -> bool:
    """Whether a head of names and values states a rate in hertz and a unit of voltage."""
    if path.suffix.lower() not in (".csv", ".txt") or b"\0" in head:
        return False
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    fields, _ = _fields(lines)
    return _rate(fields) is not None and _unit(fields) is not None


def read(path: Path, rename: Rename | None = None) -> Record:
    """One ECG of a watch, lead I or what the file says.

    Args:
        path: the file.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: no such head, or a line that is no number.
    """
    with guarded(path, "Apple Health CSV"):
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FormatError(f"{path}: {size} bytes; an ECG of a watch has at most {MAX_BYTES}")
        lines = path.read_bytes().decode("utf-8-sig", errors="replace").splitlines()
        fields, start = _fields(lines)
        rate, unit = _rate(fields), _unit(fields)
        if rate is None or unit is None:
            raise FormatError(f"{path}: no head with rate (hertz) and unit; no ECG of Apple Health")
        lead = _lead(fields)
        channel = Channel(lead, _values(path, lines[start:], start), unit)
        return build_record(path, [channel], rate, _about(fields), rename)


def _fields(lines: list[str]) -> tuple[dict[str, str], int]:
    """Name -> value of the head, and the number of its lines."""
    fields: dict[str, str] = {}
    for number, line in enumerate(lines[:MAX_HEAD_LINES]):
        line = line.strip()[:LONGEST]
        if VALUE.match(line):
            return fields, number
        found = re.match(r'^"?([^,;"]+)"?\s*[,;]\s*"?(.*?)"?\s*$', line)
        if found:
            fields.setdefault(found[1].strip(), found[2].strip())
    return fields, len(lines)


def _lead(fields: dict[str, str]) -> str:
    """The last field that ends in a lead: "Henry Smith III" stands before, and is no lead."""
    found = [
        match[1]
        for key, value in fields.items()
        if key.lower() not in NAMES and (match := LEAD.search(value))
    ]
    return found[-1] if found else "ECG"


def _rate(fields: dict[str, str]) -> float | None:
    found = (RATE.search(value) for value in fields.values())
    return next((float(match[1].replace(",", ".")) for match in found if match), None)


def _unit(fields: dict[str, str]) -> str | None:
    return next((value for value in fields.values() if value and is_voltage(value)), None)


def _values(path: Path, lines: list[str], first: int) -> NDArray[np.float64]:
    texts = [line.strip().rstrip(",;").strip('"') for line in lines]
    while texts and not texts[-1]:
        texts.pop()
    bad = next((n for n, text in enumerate(texts) if not VALUE.match(text)), None)
    if bad is not None:
        raise FormatError(
            f"{path}: line {first + bad + 1} is {texts[bad][:40]!r}; want one number a line"
        )
    return np.array([float(text.replace(",", ".")) for text in texts])


def _about(fields: dict[str, str]) -> About:
    name = next((value for key, value in fields.items() if key.lower() in NAMES), None)
    said = next((value for key, value in fields.items() if CLASSIFIED.match(key)), None)
    recorded = next(filter(None, (RECORDED.match(value) for value in fields.values())), None)
    start = None
    if recorded is not None:
        year, month, day, clock, hours, minutes = recorded.groups()
        zone = f"{hours}:{minutes}" if hours else ""
        start = f"{year}-{month}-{day}T{clock}{zone}"
    return About(patient_id=name, start_time=start, diagnosis=said)
