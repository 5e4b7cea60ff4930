"""WFDB records of the common recording, written by the wfdb package and by hand."""

import datetime
from pathlib import Path

import numpy as np

from format_samples.recording import LEADS, RATE, STEP_MV, Sample, about, recording, steps

THREE = ("I", "II", "V2")


def _write(folder: Path, name: str, fmt: str, part: slice = slice(None)) -> None:
    import wfdb

    wfdb.wrsamp(
        name,
        fs=RATE,
        units=["mV"] * 3,
        sig_name=list(THREE),
        d_signal=steps()[[LEADS.index(lead) for lead in THREE]].T[part],
        fmt=[fmt] * 3,
        adc_gain=[1 / STEP_MV] * 3,
        baseline=[0] * 3,
        comments=["Age: 63", "Sex: Female"],
        base_date=datetime.date(2013, 1, 25),
        base_time=datetime.time(10, 59, 19),
        write_dir=str(folder),
    )


def _sample(folder: Path, name: str, fmt: str, suffix: str) -> Sample:
    _write(folder, name, fmt)
    facts = about("age", "sex", "start_time")
    return Sample(folder / f"{name}{suffix}", THREE, recording(THREE), facts=facts)


def header_16(folder: Path) -> Sample:
    return _sample(folder, "sixteen", "16", ".hea")


def samples_16(folder: Path) -> Sample:
    return _sample(folder, "samples", "16", ".dat")


def header_212(folder: Path) -> Sample:
    return _sample(folder, "packed", "212", ".hea")


def segments(folder: Path) -> Sample:
    """Two segments under one header of their own kind."""
    _write(folder, "part1", "16", slice(0, 60))
    _write(folder, "part2", "16", slice(60, 100))
    path = folder / "whole.hea"
    path.write_text(f"whole/2 3 {RATE:g} 100\npart1 60\npart2 40\n")
    return Sample(path, THREE, recording(THREE))


def challenge(folder: Path) -> Sample:
    """Samples behind the 24 bytes of a MATLAB header, as the challenges have it."""
    from scipy.io import savemat

    values = steps().astype(np.int16)
    savemat(folder / "A0001.mat", {"val": values}, format="4")
    lines = [f"A0001 12 {RATE:g} 100"]
    lines += [
        f"A0001.mat 16+24 {1 / STEP_MV:g}/mV 16 0 {row[0]} {int(row.sum(dtype=np.int16))} 0 {lead}"
        for lead, row in zip(LEADS, values, strict=True)
    ]
    path = folder / "A0001.hea"
    path.write_text("\n".join([*lines, "#Age: 63", "#Sex: Female", "#Dx: 426783006", ""]))
    return Sample(path, LEADS, recording(), facts={"age": 63.0, "sex": "female"})


PHYSIONET = {
    "wfdb": {
        "16": header_16,
        "samples of 16": samples_16,
        "212": header_212,
        "segments": segments,
        "challenge": challenge,
    }
}
