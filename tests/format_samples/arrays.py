"""MATLAB, HDF5, CSV, NumPy, Parquet and Arrow files of the common recording."""

import json
from pathlib import Path

import numpy as np

from format_samples.recording import LEADS, RATE, Sample, recording

THREE = ("I", "II", "V2")
STATED = {"sample_rate": RATE, "leads": list(THREE), "unit": "mV"}
ABOUT = {
    "patient_id": "P-17",
    "age": 63.0,
    "sex": "female",
    "start_time": "2013-01-25T10:59:19",
    "diagnosis": "Sinus rhythm",
}


def beside(path: Path, **more: object) -> Path:
    """Write the side-car JSON of `path`."""
    path.with_suffix(".json").write_text(json.dumps({**STATED, **more}))
    return path


def three(dtype: str = "f8") -> np.ndarray:
    return recording(THREE).astype(dtype)


def npy(folder: Path) -> Sample:
    path = beside(folder / "three.npy", **ABOUT)
    np.save(path, three("f4").T)  # (time, lead)
    return Sample(path, THREE, recording(THREE), facts=ABOUT)


def npz(folder: Path) -> Sample:
    path = folder / "three.npz"
    np.savez(path, signal=three(), fs=RATE, leads=list(THREE), unit="mV", patient_id="P-17")
    return Sample(path, THREE, recording(THREE), facts={"patient_id": "P-17"})


def npz_packed(folder: Path) -> Sample:
    path = folder / "packed.npz"
    np.savez_compressed(path, x=1000 * three(), sample_rate=RATE, leads="I,II,V2", unit="uV")
    return Sample(path, THREE, recording(THREE))


def matlab_4(folder: Path) -> Sample:
    from scipy.io import savemat

    path = beside(folder / "four.mat", unit="uV")
    savemat(path, {"val": np.round(1000 * three()).astype("i2")}, format="4")
    return Sample(path, THREE, recording(THREE))


def matlab_5(folder: Path) -> Sample:
    from scipy.io import savemat

    path = folder / "five.mat"
    names = np.array(THREE, dtype=object)
    savemat(path, {"ecg": three(), "fs": RATE, "leads": names, "unit": "mV", "sex": "Female"})
    return Sample(path, THREE, recording(THREE), facts={"sex": "female"})


def matlab_packed(folder: Path) -> Sample:
    """The struct of the CPSC 2018 corpus, compressed."""
    from scipy.io import savemat

    path = folder / "struct.mat"
    (folder / "struct.json").write_text(
        json.dumps({"sample_rate": RATE, "leads": list(LEADS), "unit": "mV"})
    )
    ecg = {"sex": "Female", "age": 63.0, "data": recording()}
    savemat(path, {"ECG": ecg}, do_compression=True)
    return Sample(path, LEADS, recording(), facts={"sex": "female", "age": 63.0})


def hdf5_code15(folder: Path) -> Sample:
    """One exam of CODE-15 %, zeros on both sides; the reader takes them off."""
    import h5py

    path = folder / "exams_part0.hdf5"
    with h5py.File(path, "w") as file:
        padded = np.pad(recording().T, ((14, 14), (0, 0))).astype("f4")
        file["tracings"] = padded[None]
        file["exam_id"] = np.array([11])
    return Sample(path, LEADS, recording(), sample_rate=400.0)


def hdf5_plain(folder: Path) -> Sample:
    import h5py

    path = folder / "plain.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("recording")
        data = group.create_dataset("signal", data=three("f4"), chunks=(3, 50), compression="gzip")
        data.attrs.update({"sample_rate": RATE, "leads": list(THREE), "unit": "mV"})
        file.attrs["patient_id"] = "P-17"
    return Sample(path, THREE, recording(THREE), facts={"patient_id": "P-17"})


def hdf5_matlab(folder: Path) -> Sample:
    """As MATLAB 7.3 writes it: 512 bytes in front, axes reversed, text as numbers."""
    import h5py

    path = folder / "seven.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["ecg"] = three().T
        file["fs"] = np.array([[RATE]])
        for name, text in (("leads", "I,II,V2"), ("unit", "mV")):
            file[name] = np.array([[ord(c)] for c in text], dtype="u2")
            file[name].attrs["MATLAB_class"] = np.bytes_("char")
    data = bytearray(path.read_bytes())
    data[:19] = b"MATLAB 7.3 MAT-file"
    path.write_bytes(data)
    return Sample(path, THREE, recording(THREE))


def csv_plain(folder: Path) -> Sample:
    path = folder / "three.csv"
    lines = ["# patient_id: P-17", "time (ms),I (uV),II (uV),V2 (uV),beat"]
    for i, row in enumerate(three().T):
        values = ",".join(f"{1000 * v:.0f}" if (i, v) != (5, row[1]) else "" for v in row)
        lines.append(f"{4 * i},{values},0")
    path.write_text("\n".join(lines) + "\n")
    signal = recording(THREE)
    signal[:, 5] = np.where(signal[:, 5] == signal[1, 5], np.nan, signal[:, 5])
    return Sample(path, THREE, signal, facts={"patient_id": "P-17"})


def csv_european(folder: Path) -> Sample:
    """Semicolons and decimal commas."""
    path = folder / "komma.csv"
    lines = ["# sample_rate: 250", "I [mV];II [mV];V2 [mV]"]
    lines += [";".join(f"{v:.3f}".replace(".", ",") for v in row) for row in three().T]
    path.write_text("\r\n".join(lines))
    return Sample(path, THREE, recording(THREE))


def tsv_bare(folder: Path) -> Sample:
    """No header at all: everything is stated beside it."""
    path = beside(folder / "bare.tsv", **ABOUT)
    np.savetxt(path, three().T, fmt="%.3f", delimiter="\t")
    return Sample(path, THREE, recording(THREE), facts=ABOUT)


def parquet(folder: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "three.parquet"
    table = pa.table({"time": np.arange(100) / RATE, **dict(zip(THREE, three(), strict=True))})
    pq.write_table(table.replace_schema_metadata({"unit": "mV", "patient_id": "P-17"}), path)
    return Sample(path, THREE, recording(THREE), facts={"patient_id": "P-17"})


def parquet_lists(folder: Path) -> Sample:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "lists.parquet"
    table = pa.table({lead: [row] for lead, row in zip(THREE, three("f4"), strict=True)})
    facts = {"unit": "mV", "sample_rate": "250", "sex": "F"}
    pq.write_table(table.replace_schema_metadata(facts), path, compression="zstd")
    return Sample(path, THREE, recording(THREE), facts={"sex": "female"})


def arrow(folder: Path) -> Sample:
    import pyarrow as pa

    path = folder / "three.arrow"
    table = pa.table(dict(zip(THREE, three("f4"), strict=True)))
    table = table.replace_schema_metadata({"unit": "mV", "sample_rate": "250"})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return Sample(path, THREE, recording(THREE))


ARRAYS = {
    "matlab": {"level 4": matlab_4, "level 5": matlab_5, "struct": matlab_packed},
    "hdf5": {"code-15": hdf5_code15, "plain": hdf5_plain, "matlab 7.3": hdf5_matlab},
    "csv": {"csv": csv_plain, "semicolons": csv_european, "bare tsv": tsv_bare},
    "npy": {"npy": npy, "npz": npz, "packed npz": npz_packed},
    "parquet": {"columns": parquet, "lists": parquet_lists, "arrow": arrow},
}
