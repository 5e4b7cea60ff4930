"""Full names of the abbreviations that label tasks use.

Two vocabularies share some abbreviations ("CD" is a conduction disturbance in PTB-XL and a cardiac
dysrhythmia in the challenge), so a set of labels is read by the one that knows most of it.
"""

from collections.abc import Sequence

from anylead.datasets.snomed import SNOMED

# PTB-XL 1.0.3, scp_statements.csv (CC BY 4.0), shortened, and the names of its groups.
SCP_TITLES: dict[str, str] = {
    "NDT": "non-diagnostic T abnormalities",
    "NST_": "non-specific ST changes",
    "DIG": "digitalis effect",
    "LNGQT": "long QT interval",
    "NORM": "normal ECG",
    "IMI": "inferior myocardial infarction",
    "ASMI": "anteroseptal myocardial infarction",
    "LVH": "left ventricular hypertrophy",
    "LAFB": "left anterior fascicular block",
    "ISC_": "non-specific ischemia",
    "IRBBB": "incomplete right bundle branch block",
    "1AVB": "first degree AV block",
    "IVCD": "non-specific intraventricular conduction disturbance",
    "ISCAL": "ischemia in anterolateral leads",
    "CRBBB": "complete right bundle branch block",
    "CLBBB": "complete left bundle branch block",
    "ILMI": "inferolateral myocardial infarction",
    "LAO/LAE": "left atrial overload/enlargement",
    "AMI": "anterior myocardial infarction",
    "ALMI": "anterolateral myocardial infarction",
    "ISCIN": "ischemia in inferior leads",
    "INJAS": "subendocardial injury in anteroseptal leads",
    "LMI": "lateral myocardial infarction",
    "ISCIL": "ischemia in inferolateral leads",
    "LPFB": "left posterior fascicular block",
    "ISCAS": "ischemia in anteroseptal leads",
    "INJAL": "subendocardial injury in anterolateral leads",
    "ISCLA": "ischemia in lateral leads",
    "RVH": "right ventricular hypertrophy",
    "ANEUR": "ST-T changes compatible with ventricular aneurysm",
    "RAO/RAE": "right atrial overload/enlargement",
    "EL": "electrolyte disturbance or drug effect",
    "WPW": "Wolff-Parkinson-White syndrome",
    "ILBBB": "incomplete left bundle branch block",
    "IPLMI": "inferoposterolateral myocardial infarction",
    "ISCAN": "ischemia in anterior leads",
    "IPMI": "inferoposterior myocardial infarction",
    "SEHYP": "septal hypertrophy",
    "INJIN": "subendocardial injury in inferior leads",
    "INJLA": "subendocardial injury in lateral leads",
    "PMI": "posterior myocardial infarction",
    "3AVB": "third degree AV block",
    "INJIL": "subendocardial injury in inferolateral leads",
    "2AVB": "second degree AV block",
    "ABQRS": "abnormal QRS",
    "PVC": "ventricular premature complex",
    "STD_": "non-specific ST depression",
    "VCLVH": "voltage criteria (QRS) for left ventricular hypertrophy",
    "QWAVE": "Q waves present",
    "LOWT": "low amplitude T-waves",
    "NT_": "non-specific T-wave changes",
    "PAC": "atrial premature complex",
    "LPR": "prolonged PR interval",
    "INVT": "inverted T-waves",
    "LVOLT": "low QRS voltages in the frontal and horizontal leads",
    "HVOLT": "high QRS voltage",
    "TAB_": "T-wave abnormality",
    "STE_": "non-specific ST elevation",
    "PRC(S)": "premature complexes",
    "SR": "sinus rhythm",
    "AFIB": "atrial fibrillation",
    "STACH": "sinus tachycardia",
    "SARRH": "sinus arrhythmia",
    "SBRAD": "sinus bradycardia",
    "PACE": "normally functioning artificial pacemaker",
    "SVARR": "supraventricular arrhythmia",
    "BIGU": "bigeminal pattern, of the atria or ventricles",
    "AFLT": "atrial flutter",
    "SVTAC": "supraventricular tachycardia",
    "PSVT": "paroxysmal supraventricular tachycardia",
    "TRIGU": "trigeminal pattern, of the atria or ventricles",
    "MI": "myocardial infarction",
    "STTC": "ST or T wave changes",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
    "ISCA": "ischemia in anterior leads",
    "ISCI": "ischemia in inferior leads",
    "LAFB/LPFB": "left anterior or posterior fascicular block",
    "_AVB": "AV block",
}
# CODE-15 (doi:10.5281/zenodo.4916206) and generated ECGs.
_OTHERS: dict[str, str] = {
    "1dAVb": "first degree AV block",
    "RBBB": "right bundle branch block",
    "LBBB": "left bundle branch block",
    "SB": "sinus bradycardia",
    "ST": "sinus tachycardia",
    "AF": "atrial fibrillation",
    "SR": "sinus rhythm",
    "SBRAD": "sinus bradycardia",
    "STACH": "sinus tachycardia",
    "AFIB": "atrial fibrillation",
    "STE": "ST elevation",
    "PVC": "ventricular premature complexes",
}
_SMALL = {
    **{name: name.upper() for name in ("ecg", "qrs", "av", "pr", "qt", "st", "t", "p", "u", "r")},
    "qwave": "Q wave",
    "fqrs": "fragmented QRS",
    "progression": "progression",
}


def titles(labels: Sequence[str]) -> dict[str, str]:
    """Label -> full name, of those that are abbreviations of a known vocabulary.

    Classes of joined tasks are named "task/class": "rhythm/SR" is read as "SR".
    """
    vocabularies, classes = _vocabularies(), _bare(labels)
    known = max(vocabularies, key=lambda names: sum(name in names for name in classes))
    merged = {label: name for names in vocabularies for label, name in names.items()} | known
    pairs = zip(labels, classes, strict=True)
    return {label: merged[name] for label, name in pairs if name in merged}


def _bare(labels: Sequence[str]) -> list[str]:
    """Without the task; "LAFB/LPFB" is one class."""
    tasks = {label.partition("/")[0] for label in labels}
    is_joined = all("/" in label for label in labels) and len(tasks) < len(labels)
    return [label.partition("/")[2] if is_joined else label for label in labels]


def _vocabularies() -> tuple[dict[str, str], ...]:
    challenge = {short: _written(name) for short, name in SNOMED.values()}
    return SCP_TITLES, challenge, _OTHERS


def _written(name: str) -> str:
    """The challenge writes waves and intervals in small letters."""
    words = (_SMALL.get(word.lower(), word) for word in name.replace("s t ", "ST ").split())
    return " ".join(words)
