"""Reading one file for each recording: milliseconds of each format, beside a library's reader.

    anylead convert-ecg ECG ecg.csv    (and ecg.edf, ecg.dcm, ecg.hea)
    python benchmarks/reading.py ecg.csv ecg.edf ecg.dcm ecg.hea ECG --seconds 20

"ours" is the `Record` that `anylead` works with: millivolts by lead, rate, patient, checks.
"library" is the signal of every channel as the usual package for the format gives it.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import edfio
import measure
import pandas as pd
import pydicom
import wfdb

from anylead import formats


def main() -> None:
    parser = measure.options(__doc__, seconds=10)
    parser.add_argument("files", nargs="+")
    arguments = parser.parse_args()
    for path in map(Path, arguments.files):
        record = formats.read(path)
        calls: dict[str, Callable[[], object]] = {"ours": partial(formats.read, path)}
        if library := LIBRARIES.get(path.suffix):
            calls["library"] = partial(library, path)
        found = measure.alternate(calls, arguments.seconds / len(arguments.files))
        measure.tell(
            f"reading {path.name}",
            arguments,
            kilobytes=path.stat().st_size / 1000,
            leads=len(record.leads),
            samples=record.signal.shape[1],
            wall_ms={way: 1000 * times["wall_s"] for way, times in found.items()},
        )


def _edf(path: Path) -> object:
    return [signal.data for signal in edfio.read_edf(path).signals]


def _dicom(path: Path) -> object:
    return pydicom.dcmread(path).waveform_array(0)


def _wfdb(path: Path) -> object:
    return wfdb.rdrecord(str(path.with_suffix(""))).p_signal


LIBRARIES: dict[str, Callable[[Path], object]] = {
    ".csv": partial(pd.read_csv, comment="#"),
    ".edf": _edf,
    ".dcm": _dicom,
    ".hea": _wfdb,
}


if __name__ == "__main__":
    main()
