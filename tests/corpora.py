"""Small generated copies of the folder layouts of public corpora."""

import csv
import re
from dataclasses import replace

import numpy as np

from anylead.datasets import synthetic
from anylead.formats import wave_marks
from anylead.leads import LEADS
from anylead.records import Mark

RECORDS = list(synthetic.records(num_patients=4, records_per_patient=2, seconds=2, seed=3))
WAVES = [("P", 0.4, 0.5), ("QRS", 0.56, 0.66), ("T", 0.8, 1.0), ("QRS", 1.4, 1.51)]


def write_wfdb(path, record, comments=(), leads=LEADS, suffix=".dat", rate=500, unit="mV", more=()):
    """A record of format 16, 1000 steps per unit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    digital = np.rint(record.signal * 1000).astype("<i2").T
    kind = "16+24" if suffix == ".mat" else "16"
    path.with_suffix(suffix).write_bytes(bytes(24 if suffix == ".mat" else 0) + digital.tobytes())
    lines = [f"{path.name} {len(leads) + len(more)} {rate} {len(digital)}"]
    for lead, column in zip(leads, digital.T.astype(int), strict=True):
        checksum = int(column.sum()) % 65536
        lines.append(
            f"{path.name}{suffix} {kind} 1000(0)/{unit} 16 0 {column[0]} {checksum} 0 {lead}"
        )
    lines += more
    path.with_suffix(".hea").write_text("\n".join([*lines, *comments]) + "\n")


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def physionet2021(root):
    names = ["cpsc_2018/g1/A0001", "cpsc_2018_extra/Q0001", "st_petersburg_incart/g1/I0001",
             "ptb/g1/S0001", "ptb-xl/g22/HR21837", "georgia/g1/E00001",
             "chapman_shaoxing/g1/JS00001", "ningbo/g1/JS10647"]  # fmt: skip
    codes = ["# Dx: 59118001,426783006", "#Dx: 63593006,,284470004,", "# Dx: 17338001",
             "#Dx: 164909002,733534002,999999", "# Dx: 426177001", "# Dx: 426783006,10370003",
             "#Dx: 55827005,164934002", "# Dx: 427084000"]  # fmt: skip
    for name, dx, record in zip(names, codes, RECORDS, strict=True):
        comments = ["# Age: 63", "# Sex: Female", dx, "# Rx: Unknown"]
        write_wfdb(root / "training" / name, record, comments, suffix=".mat")
    (root / "training" / "georgia" / "g1" / "E00002.mat").write_bytes(bytes(124))


def physionet2017(root):
    rows = []
    for n, (record, label) in enumerate(zip(RECORDS[:5], "NAO~N", strict=True), start=1):
        path = root / "training2017" / f"A0000{n}"
        write_wfdb(path, replace(record, signal=record.signal[:1], leads=("I",)), suffix=".mat",
                   leads=["ECG"], rate=300)  # fmt: skip
        header = path.with_suffix(".hea")
        # The corpus states no checksum.
        header.write_text(re.sub(r" \d+ 0 ECG", " 0 0 ECG", header.read_text()))
        rows.append(f"A0000{n},{label}")
    (root / "training2017" / "REFERENCE.csv").write_text("\n".join(rows[:1]) + "\n")
    (root / "REFERENCE-v3.csv").write_text("\n".join(rows[:4]) + "\n")


def ptbxl(root):
    rows = []
    for n, record in enumerate(RECORDS, start=1):
        folder = f"records500/{n // 1000:05d}"
        write_wfdb(root / folder / f"{n:05d}_hr", record, leads=[s.upper() for s in LEADS])
        write_wfdb(root / folder.replace("500", "100") / f"{n:05d}_lr", record, rate=100)
        rows.append({
            "ecg_id": n, "patient_id": f"{100 + n // 2}.0", "age": 300 if n == 3 else 50 + n,
            "sex": n % 2, "recording_date": "1984-11-09 09:17:34", "report": "sinusrhythmus",
            "scp_codes": ["{'NORM': 100.0, 'SR': 0.0}", "{'AMI': 35.0, 'STD_': 0.0}"][n % 2],
            "strat_fold": min(3 + n // 2 * 2, 10), "filename_lr": f"records100/00000/{n:05d}_lr",
            "filename_hr": f"records500/00000/{n:05d}_hr",
        })  # fmt: skip
    write_csv(root / "ptbxl_database.csv", rows)


def mimic_iv_ecg(root):
    rows, reports = [], []
    order = ["I", "II", "III", "aVR", "aVF", "aVL", *LEADS[6:]]
    for n, record in enumerate(RECORDS[:4]):
        path = f"files/p1000/p1000003{n // 2}/s4068923{n}/4068923{n}"
        write_wfdb(root / path, record, leads=order)
        key = {"subject_id": f"1000003{n // 2}", "study_id": f"4068923{n}"}
        rows.append({**key, "file_name": f"4068923{n}", "ecg_time": "2180-05-06 21:30:00",
                     "path": path})  # fmt: skip
        reports.append({**key, "report_0": ["Sinus rhythm", "Atrial fibrillation"][n % 2],
                        "report_1": "Possible inferior infarct - age undetermined",
                        "report_2": ["Normal ECG", "Abnormal ECG"][n % 2]})  # fmt: skip
    write_csv(root / "record_list.csv", rows)
    write_csv(root / "machine_measurements.csv", reports)


def code15(root):
    import h5py

    rows = []
    for part in range(2):
        tracings = np.zeros((3, 4096, 12), np.float32)
        ids = [10 * part + n for n in range(3)]
        for n, record in enumerate(RECORDS[3 * part : 3 * part + 2]):
            tracings[n, 648:1648] = record.signal.T
            rows.append({"exam_id": ids[n], "age": 40 + n, "is_male": n == 0, "patient_id": 7 + n,
                         "trace_file": f"exams_part{part}.hdf5", "1dAVb": False, "RBBB": True,
                         "LBBB": False, "SB": n == 0, "ST": False, "AF": False})  # fmt: skip
        root.mkdir(parents=True, exist_ok=True)
        with h5py.File(root / f"exams_part{part}.hdf5", "w") as file:
            file["tracings"], file["exam_id"] = tracings, ids
    rows.append({**rows[0], "exam_id": 999, "trace_file": "exams_part17.hdf5"})
    write_csv(root / "exams.csv", rows)


def chapman(root):
    for n, record in enumerate(RECORDS[:3], start=1):
        comments = ["#Age: 85", "#Sex: Male", "#Dx: 164889003,59118001"]
        path = root / "WFDBRecords" / "01" / "010" / f"JS0000{n}"
        write_wfdb(path, record, comments, suffix=".mat")


def sph(root):
    import h5py

    (root / "records").mkdir(parents=True)
    rows = []
    for n, record in enumerate(RECORDS[:3], start=1):
        with h5py.File(root / "records" / f"A0000{n}.h5", "w") as file:
            file["ecg"] = record.signal.astype(np.float16)
        rows.append({"ECG_ID": f"A0000{n}", "AHA_Code": "22;23+310;23", "Patient_ID": f"S{n // 2}",
                     "Age": 55, "Sex": "FM"[n % 2], "N": 1000, "Date": "2020-03-04"})  # fmt: skip
    write_csv(root / "metadata.csv", rows)


def ludb(root):
    for n in (1, 2, 10):
        write_wfdb(root / "data" / str(n), RECORDS[n % 8],
                   ["#<age>: 51", "#<sex>: F", "#<diagnoses>:", "#Rhythm: Sinus bradycardia.",
                    "#Electric axis of the heart: normal."],
                   leads=[s.lower() for s in LEADS])  # fmt: skip
        for lead in LEADS if n < 10 else ():
            marks = [Mark(lead, *each) for each in WAVES]
            wave_marks.write_wfdb(marks, root / "data" / f"{n}.{lead.lower()}", 500)


def ptb(root):
    for n, record in enumerate(RECORDS[:4]):
        path = root / f"patient00{n // 2 + 1}" / f"s001{n}_re"
        frank = np.rint(record.signal[:3] * 2000).astype("<i2").T
        more = [f"{path.name}.xyz 16 2000 16 0 {c[0]} {int(c.astype(int).sum()) % 65536} 0 v{a}"
                for c, a in zip(frank.T, "xyz", strict=True)]  # fmt: skip
        write_wfdb(path, record, ["# age: 81", "# sex: female",
                                  "# Reason for admission: Myocardial infarction"],
                   leads=[s.lower() for s in LEADS], rate=1000, more=more)  # fmt: skip
        path.with_suffix(".xyz").write_bytes(frank.tobytes())


def ecgid(root):
    for person in (1, 2):
        for n in (1, 2):
            signal = RECORDS[person].signal[[0, 0]]
            record = type(RECORDS[0])(signal, ("I", "X"), 500.0)
            write_wfdb(root / f"Person_0{person}" / f"rec_{n}", record,
                       ["# Age: 25", "# Sex: male", "# ECG date: 05.12.2004"],
                       leads=["ECG I", "ECG I filtered"])  # fmt: skip


def _half_minute(root, name, leads, rate, symbols, notes, comments=()):
    """A long record of repeated beats with annotations, by the wfdb package."""
    import wfdb

    num = 30 * rate
    signal = np.tile(RECORDS[0].signal[: len(leads)], (1, 30))[:, :num]
    record = replace(RECORDS[0], signal=signal, leads=tuple(LEADS[: len(leads)]))
    write_wfdb(root / name, record, comments, leads=leads, rate=rate)
    places = np.linspace(rate, num - rate, len(symbols)).astype(int)
    wfdb.wrann(name, "atr", places, symbol=list(symbols), aux_note=list(notes), write_dir=str(root))


def mitdb(root):
    root.mkdir(parents=True, exist_ok=True)
    notes = ["(N", "", "", "(AFIB", "", ""]
    for name in ("100", "101", "102", "201", "202"):
        _half_minute(root, name, ["MLII", "V1"], 360, "+NV+LA", notes, ["# 69 M 1085 1629 x1"])


def incart(root):
    root.mkdir(parents=True, exist_ok=True)
    about = ["#<age>: 65  <sex>: F  <diagnoses> Coronary artery disease", "#patient 1"]
    for name in ("I01", "I02"):
        _half_minute(root, name, list(LEADS), 257, "NVNANN", [""] * 6, about)


# One marked beat of the QT Database, in samples: two with P, T without an onset.
QT_BEAT = [
    (-40, "("),
    (-30, "p"),
    (-20, ")"),
    (-10, "("),
    (0, "N"),
    (12, ")"),
    (60, "t"),
    (80, ")"),
]


def qtdb(root):
    """15 beats of half a minute, every 480 samples; the 3rd to 8th and the 11th to 13th marked.

    sel100 and sele0104 are the same but for their leads: the latter has none of the twelve by name.
    """
    import wfdb

    root.mkdir(parents=True, exist_ok=True)
    beats = np.arange(100, 7400, 480)
    marked = [*beats[2:8], *beats[10:13]]
    places, symbols = zip(
        *((n + at, symbol) for n in marked for at, symbol in QT_BEAT), strict=True
    )
    for name, leads in (("sel100", ["MLII", "CM5"]), ("sele0104", ["CM5", "D4"])):
        signal = np.tile(RECORDS[0].signal[:2], (1, 30))[:, :7500]
        about = ["# 69 M 1085 1629 x1", "#Produced by xform from record 100"]
        write_wfdb(root / name, replace(RECORDS[0], signal=signal, leads=LEADS[:2]), about,
                   leads=leads, rate="250/360")  # fmt: skip
        # The package writes no name such as .q1c, which it reads.
        for own, written in (("qxc", "q1c"), ("pux", "pu0")):
            wfdb.wrann(name, own, np.array(places), symbol=list(symbols), write_dir=str(root))
            (root / f"{name}.{own}").rename(root / f"{name}.{written}")
        wfdb.wrann(name, "atr", beats, symbol=["N"] * len(beats), write_dir=str(root))


def cinc2011(root):
    for n, record in enumerate(RECORDS[:4], start=1):
        write_wfdb(root / "set-a" / f"100000{n}", record)
    (root / "set-a" / "RECORDS-acceptable").write_text("1000001\n1000003\n")
    (root / "set-a" / "RECORDS-unacceptable").write_text("1000002\n")


def folder(root):
    for n, record in enumerate(RECORDS[:3]):
        write_wfdb(root / "a" / f"x{n}", record)
    (root / "a" / "x0.atr").write_bytes(b"annotations")
    (root / "README.txt").write_text("about")


LAYOUTS = {
    layout.__name__: layout
    for layout in (
        physionet2021,
        physionet2017,
        ptbxl,
        mimic_iv_ecg,
        code15,
        chapman,
        sph,
        ludb,
        ptb,
        incart,
        mitdb,
        qtdb,
        cinc2011,
        ecgid,
        folder,
    )
}
