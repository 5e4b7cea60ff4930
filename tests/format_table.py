"""docs/formats.md, from what the readers do with the sample files and what fuzzing counted.

PYTHONPATH=src:tests python -m format_table
"""

import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from anylead import formats
from anylead.commands import convert_ecg
from anylead.records import Record
from format_samples import SAMPLES, Sample

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "formats.md"
COUNTS = ROOT / "docs" / "formats_fuzz.json"
FACTS = ("patient_id", "age", "sex", "start_time", "diagnosis")
INTRODUCTION = """# File formats

This page is made by `PYTHONPATH=src:tests python -m format_table`; a test keeps it up to date.

`anylead.formats.read(path)` finds the format by the content of a file first and by its name
second. Each reader returns millivolts, the canonical lead names, the sample rate and, where the
file has them, patient, age, sex, start and the device's diagnosis. What cannot be read raises a
`FormatError`: one line with the path, what was found and the remedy.

Arrays (CSV, NumPy, MATLAB, HDF5, Parquet, Arrow) that do not say their rate, leads or unit need a
side-car JSON of their name (`ecg.npy`, `ecg.json`), or `anylead.json` for a whole folder:

    {"sample_rate": 500, "leads": ["I", "II", "V1"], "unit": "mV"}

or the same as arguments of the format's `read`. What the caller states goes before the side-car,
and that before what the file holds. `patient_id`, `age`, `sex`, `start_time` and `diagnosis` may
stand in it, and "units", "fs", "channels" and other usual words are understood.

## Which channels are the ECG

A channel is a lead by its name ("aVR", "V4", "ECG II", "MLII", "V5-REF"), if its unit is a voltage.
What is left out of a file, and why, is in `Record.notes`, and `anylead inspect` lists it.

- C1 to C6, D1 to D3 and L1 to L3 are leads only beside others of an ECG and no EEG; X, Y and Z only
  beside twelve leads, or alone and in capitals. Elsewhere they are electrodes of an EEG or axes of
  movement.
- "ECG", "EKG 1", "Lead 2", "V" and "MCL" are an ECG of unknown place: left out beside a lead that
  is known, alone the lead `ECG`. Several of them are refused. `--rename "ECG=I,ECG 2=V5"` names
  leads for every command that reads files, `formats.read(path, rename={"ECG": "I"})` in Python, and
  `{"rename": {"ECG": "I"}}` in `anylead.json` for a folder.
- Of several channels of one lead the first is taken.
- A square of the same voltage in every lead, at the beginning or the end, is the device's
  calibration pulse and is cut off, in every format but WFDB, whose annotations count samples.
- MUSE, SCP-ECG and Contec files store eight leads; the four that follow from them are computed.
- Values that cannot be the millivolts they are called (raw integers of a converter) are refused by
  every command and by the server, in files as in arrays.
- An id that stands for no one ("X", "000", "anonymous", "trialSubject") is no patient.
"""
# What a reader of a format was held against in the tests.
COMPARED = {
    "wfdb": "real records of four corpora; the wfdb package",
    "edf": "files of edfio; by hand from the specification",
    "dicom": "a real ECG that pydicom has; files of pydicom",
    "matlab": "files of scipy; by hand",
    "hdf5": "files of h5py",
    "npy": "files of NumPy",
    "parquet": "files of pyarrow",
    "csv": "by hand",
}
FROM_DESCRIPTION = "files by hand from the description, no real one"


def largest_error(record: Record, sample: Sample) -> float:
    """mV between what was read and what was written; infinite where a gap is in another place."""
    if not np.array_equal(np.isnan(record.signal), np.isnan(sample.signal)):
        return math.inf
    return float(np.nanmax(np.abs(record.signal - sample.signal)))


def at_most(error: float) -> str:
    """The next power of ten: digits beyond depend on the machine."""
    return "0" if error == 0 else f"1e{math.ceil(math.log10(error))}"


def read_row(name: str, folder: Path) -> list[str]:
    """One row of the table of readers; yes means that every variant of the sample agrees."""
    folder = folder / name  # of its own, so that no side-car speaks for another format
    folder.mkdir()
    samples = [write(folder) for write in SAMPLES[name].values()]
    records = [formats.READERS[name].read(sample.path) for sample in samples]
    pairs = list(zip(records, samples, strict=True))
    return [
        name,
        ", ".join(SAMPLES[name]),
        COMPARED.get(name, FROM_DESCRIPTION),
        f"≤ {at_most(max(largest_error(*pair) for pair in pairs))}",
        yes(all(record.leads == sample.leads for record, sample in pairs)),
        yes(all(record.sample_rate == sample.sample_rate for record, sample in pairs)),
        *(carried(fact, pairs) for fact in FACTS),
    ]


def yes(is_so: bool) -> str:
    return "yes" if is_so else "NO"


def carried(fact: str, pairs: Sequence[tuple[Record, Sample]]) -> str:
    """Whether a fact came back from every sample that states it; - where the format has none."""
    stated = [(r, s.facts[fact]) for r, s in pairs if s.facts and fact in s.facts]
    if not stated:
        return "-"
    return yes(all(_equal(getattr(record, fact), value) for record, value in stated))


def _equal(found: object, stated: object) -> bool:
    if isinstance(found, float) and isinstance(stated, int | float):
        return abs(found - stated) < 0.01  # an age out of two dates
    return found == stated


def fuzz_row(name: str, counts: dict[str, dict[str, float]]) -> list[str]:
    """One row of the table of fuzzing, as the last long run counted."""
    found = counts[name]
    keys = ("examples", "records", "refused", "findings")
    return [
        name,
        *(f"{found[key]:.0f}" for key in keys),
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [read_row(name, Path(folder)) for name in SAMPLES]
    counts = json.loads(COUNTS.read_text())
    facts = [fact.replace("_", " ") for fact in FACTS]
    return "\n".join(
        [
            INTRODUCTION,
            "## Read\n",
            "Sample files written by other code (wfdb, edfio, pydicom, scipy, h5py, pyarrow,",
            "NumPy, or writers from the specification in `tests/format_samples`), read back. The",
            "error is the largest difference in mV, up to the next power of ten; `-` means that",
            "the format, or its sample, does not state it.\n",
            table(["format", "variants", "held against", "error", "leads", "rate", *facts], rows),
            "## Written\n",
            "`anylead convert-ecg IN OUT` writes " + ", ".join(sorted(convert_ecg.WRITERS)) + ".",
            "CSV keeps every bit of the float32 samples; WFDB, EDF and DICOM hold 16 bits per",
            "sample, in the step the source was digitized with where it is known and fits, else",
            "scaled to the largest sample of each lead. EDF holds no missing samples, age or",
            "diagnosis, nor ids of patients beyond 74 letters without accents.\n",
            "AliveCor ATC, Apple Health, CardioSoft, Contec, Viatom text and OpenSignals text",
            "(BITalino, biosignalsplux) are read here; aECG, MUSE, Philips, SCP-ECG, Mortara,",
            "MFER and Kardia by ecgdatakit, BIOPAC (`anylead[biopac]`) by bioread, behind checks",
            "of ours. A table of other loggers without named columns wants a side-car.\n",
            "## Damaged files\n",
            "Files with flipped bits, cuts, spliced parts and absurd numbers, made from the",
            "samples above by `PYTHONPATH=src:tests python -m format_fuzz --examples N --out",
            "docs/formats_fuzz.json`. A finding would be anything but a record or a `FormatError`,",
            "more than 5 s, or more than 1 GiB.\n",
            table(["format", "files", "read", "refused", "findings"],
                  [fuzz_row(name, counts) for name in SAMPLES if name in counts]),
        ]
    )  # fmt: skip


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
