"""A stretch of a long WFDB record (a Holter's day), read without the rest of it.

Checksums and calibration pulses are those of whole records and are not looked at here.
"""

from pathlib import Path

import numpy as np

from anylead.errors import FormatError
from anylead.formats import wfdb
from anylead.formats.channels import Rename, choose
from anylead.formats.wfdb_header import read_header
from anylead.records import Record


def length_of(path: Path) -> tuple[int, float]:
    """Samples of each signal, and Hz.

    Raises:
        FormatError: the header is missing or does not tell.
    """
    header = read_header(wfdb.header_of(path))
    total = header.num_samples or sum(length for _, length in header.segments)
    if not total:
        raise FormatError(f"{header.path}: tells no length; a part of it cannot be read")
    return total, header.sample_rate


def read_part(path: Path, start: int, stop: int, rename: Rename | None = None) -> Record:
    """The ECG leads from one sample to another.

    Args:
        path: as for `wfdb.read`.
        start, stop: samples of the record; the last one is left out.
        rename: name of a channel -> its lead.

    Raises:
        FormatError: header or samples are missing or cut short, or there is no known lead.
    """
    import wfdb as package

    header_path = wfdb.header_of(path)
    try:
        found = package.rdrecord(
            str(header_path.with_suffix("")), sampfrom=start, sampto=stop, return_res=32
        )
        signal, rate = np.asarray(found.p_signal, dtype=np.float32).T, float(found.fs)
    except Exception as error:  # the package has no error class of its own
        raise FormatError(f"{header_path}: cannot be read ({error})") from None
    if signal.shape[1] != stop - start:
        raise FormatError(f"{header_path}: truncated; {signal.shape[1]} samples from {start}")
    chosen = choose(header_path, found.sig_name, found.units, rename)
    rows = list(chosen.rows.values())
    factors, unit = wfdb.factors_of(header_path, [found.units[row] for row in rows])
    return Record(
        signal=signal[rows] * np.array(factors, dtype=np.float32)[:, None],
        leads=tuple(chosen.rows),
        sample_rate=rate,
        record_id=header_path.stem,
        unit=unit,
    )
