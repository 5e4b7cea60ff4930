"""MIMIC-IV-ECG 1.0 (doi:10.13026/4nqg-sb35): 800,035 records of 161,352 patients, 12 leads, 10 s.

record_list.csv lists them; machine_measurements.csv (optional) holds the device's report in the
columns report_0 ... report_17. Label task "machine": `PHRASES` found in those lines. A line that
only raises a question ("cannot rule out", "possible") is not counted.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, required_file, table
from anylead.formats import wfdb
from anylead.records import Record

# Label: phrases of the device, in lower case, any of which states it.
PHRASES: dict[str, tuple[str, ...]] = {
    "NORM": ("normal ecg", "within normal limits"),
    "SR": ("sinus rhythm",),
    "SBRAD": ("sinus bradycardia",),
    "STACH": ("sinus tachycardia",),
    "SARRH": ("sinus arrhythmia",),
    "AFIB": ("atrial fibrillation",),
    "AFLT": ("atrial flutter",),
    "PACE": ("pacemaker", "paced", "pacing"),
    "PVC": ("pvc", "ventricular premature", "premature ventricular"),
    "PAC": ("pac(s)", "atrial premature", "premature atrial"),
    "1AVB": ("1st degree a-v block", "first degree a-v block", "prolonged pr interval"),
    "LBBB": ("left bundle branch block", "lbbb"),
    "RBBB": ("right bundle branch block", "rbbb"),
    "LAFB": ("left anterior fascicular block",),
    "LAD": ("left axis deviation", "leftward axis"),
    "RAD": ("right axis deviation", "rightward axis"),
    "LVH": ("left ventricular hypertrophy",),
    "MI": ("infarct",),
    "LNGQT": ("prolonged qt", "long qt"),
    "LVOLT": ("low qrs voltage", "low voltage"),
    "STT": ("st-t changes", "t wave changes", "st changes", "st-t wave changes"),
}
# Longer phrases that hold a shorter one but do not state it.
_NOT_MEANT = {"NORM": ("abnormal ecg", "otherwise normal", "borderline")}
_UNCERTAIN = ("cannot rule out", "possible", "consider", "suggest", "no longer")
_NUM_REPORTS = 18


@dataclass(frozen=True)
class Row:
    """What the tables say about a record."""

    path: Path
    patient_id: str | None
    start_time: str
    report: str | None


def corpus(root: Path | None) -> Corpus:
    """List the records of record_list.csv.

    Raises:
        DatasetError: it is missing, or has other columns.
    """
    root = corpus_folder(root, "MIMIC-IV-ECG")
    path = required_file(root, "record_list.csv", "MIMIC-IV-ECG")
    reports = _reports(root / "machine_measurements.csv")
    items: list[Item] = []
    for row in table(path, ("subject_id", "study_id", "ecg_time", "path")):
        file = root / f"{row['path']}.hea"
        report = reports.get(row["study_id"])
        items.append(
            (row["study_id"], Row(file, row["subject_id"] or None, row["ecg_time"], report))
        )
    labels = {"machine": tuple(PHRASES)} if reports else {}
    return Corpus("mimic_iv_ecg", items, read, labels)


def read(item: Item) -> Record:
    """One record with what the device said about it."""
    record_id, row = item
    return replace(
        wfdb.read(row.path),
        record_id=record_id,
        patient_id=row.patient_id,
        labels={} if row.report is None else {"machine": machine_labels(row.report)},
        start_time=row.start_time.replace(" ", "T") or None,
        diagnosis=row.report,
    )


def machine_labels(report: str) -> tuple[str, ...]:
    """The labels that a report states; its lines are divided by line breaks."""
    found = set()
    for line in report.lower().splitlines():
        if any(word in line for word in _UNCERTAIN):
            continue
        for label, phrases in PHRASES.items():
            meant = not any(phrase in line for phrase in _NOT_MEANT.get(label, ()))
            if meant and any(phrase in line for phrase in phrases):
                found.add(label)
    return tuple(label for label in PHRASES if label in found)


def _reports(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    reports = {}
    for row in table(path, ("study_id", "report_0")):
        lines = (row.get(f"report_{n}", "").strip() for n in range(_NUM_REPORTS))
        reports[row["study_id"]] = "\n".join(line for line in lines if line)
    return reports
