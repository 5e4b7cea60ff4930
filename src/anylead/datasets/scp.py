"""The 71 statements of PTB-XL and how they group into its six label tasks.

Source: scp_statements.csv of PTB-XL 1.0.3 (doi:10.13026/kfzx-aw45, CC BY 4.0).
"""

from collections.abc import Iterable

# statement: (diagnostic subclass, diagnostic superclass, is a form, is a rhythm)
SCP: dict[str, tuple[str | None, str | None, bool, bool]] = {
    "NDT": ("STTC", "STTC", True, False),
    "NST_": ("NST_", "STTC", True, False),
    "DIG": ("STTC", "STTC", True, False),
    "LNGQT": ("STTC", "STTC", True, False),
    "NORM": ("NORM", "NORM", False, False),
    "IMI": ("IMI", "MI", False, False),
    "ASMI": ("AMI", "MI", False, False),
    "LVH": ("LVH", "HYP", False, False),
    "LAFB": ("LAFB/LPFB", "CD", False, False),
    "ISC_": ("ISC_", "STTC", False, False),
    "IRBBB": ("IRBBB", "CD", False, False),
    "1AVB": ("_AVB", "CD", False, False),
    "IVCD": ("IVCD", "CD", False, False),
    "ISCAL": ("ISCA", "STTC", False, False),
    "CRBBB": ("CRBBB", "CD", False, False),
    "CLBBB": ("CLBBB", "CD", False, False),
    "ILMI": ("IMI", "MI", False, False),
    "LAO/LAE": ("LAO/LAE", "HYP", False, False),
    "AMI": ("AMI", "MI", False, False),
    "ALMI": ("AMI", "MI", False, False),
    "ISCIN": ("ISCI", "STTC", False, False),
    "INJAS": ("AMI", "MI", False, False),
    "LMI": ("LMI", "MI", False, False),
    "ISCIL": ("ISCI", "STTC", False, False),
    "LPFB": ("LAFB/LPFB", "CD", False, False),
    "ISCAS": ("ISCA", "STTC", False, False),
    "INJAL": ("AMI", "MI", False, False),
    "ISCLA": ("ISCA", "STTC", False, False),
    "RVH": ("RVH", "HYP", False, False),
    "ANEUR": ("STTC", "STTC", False, False),
    "RAO/RAE": ("RAO/RAE", "HYP", False, False),
    "EL": ("STTC", "STTC", False, False),
    "WPW": ("WPW", "CD", False, False),
    "ILBBB": ("ILBBB", "CD", False, False),
    "IPLMI": ("IMI", "MI", False, False),
    "ISCAN": ("ISCA", "STTC", False, False),
    "IPMI": ("IMI", "MI", False, False),
    "SEHYP": ("SEHYP", "HYP", False, False),
    "INJIN": ("IMI", "MI", False, False),
    "INJLA": ("AMI", "MI", False, False),
    "PMI": ("PMI", "MI", False, False),
    "3AVB": ("_AVB", "CD", False, False),
    "INJIL": ("IMI", "MI", False, False),
    "2AVB": ("_AVB", "CD", False, False),
    "ABQRS": (None, None, True, False),
    "PVC": (None, None, True, False),
    "STD_": (None, None, True, False),
    "VCLVH": (None, None, True, False),
    "QWAVE": (None, None, True, False),
    "LOWT": (None, None, True, False),
    "NT_": (None, None, True, False),
    "PAC": (None, None, True, False),
    "LPR": (None, None, True, False),
    "INVT": (None, None, True, False),
    "LVOLT": (None, None, True, False),
    "HVOLT": (None, None, True, False),
    "TAB_": (None, None, True, False),
    "STE_": (None, None, True, False),
    "PRC(S)": (None, None, True, False),
    "SR": (None, None, False, True),
    "AFIB": (None, None, False, True),
    "STACH": (None, None, False, True),
    "SARRH": (None, None, False, True),
    "SBRAD": (None, None, False, True),
    "PACE": (None, None, False, True),
    "SVARR": (None, None, False, True),
    "BIGU": (None, None, False, True),
    "AFLT": (None, None, False, True),
    "SVTAC": (None, None, False, True),
    "PSVT": (None, None, False, True),
    "TRIGU": (None, None, False, True),
}


def _unique(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name is not None))


CLASSES: dict[str, tuple[str, ...]] = {
    "all": tuple(SCP),
    "diagnostic": tuple(code for code, (sub, _, _, _) in SCP.items() if sub is not None),
    "subdiagnostic": _unique(sub for sub, _, _, _ in SCP.values()),
    "superdiagnostic": ("NORM", "MI", "STTC", "CD", "HYP"),
    "form": tuple(code for code, (_, _, is_form, _) in SCP.items() if is_form),
    "rhythm": tuple(code for code, (_, _, _, is_rhythm) in SCP.items() if is_rhythm),
}


def scp_labels(codes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Labels of every task that the statements say something for.

    The likelihood of a statement is not looked at: 0 means "not stated" in this corpus, and the
    usual protocol counts every statement.
    """
    known = [code for code in SCP if code in set(codes)]
    found = {
        "all": tuple(known),
        "diagnostic": tuple(code for code in known if code in CLASSES["diagnostic"]),
        "subdiagnostic": _unique(SCP[code][0] for code in known),
        "superdiagnostic": _unique(SCP[code][1] for code in known),
        "form": tuple(code for code in known if code in CLASSES["form"]),
        "rhythm": tuple(code for code in known if code in CLASSES["rhythm"]),
    }
    return {task: labels for task, labels in found.items() if labels}
