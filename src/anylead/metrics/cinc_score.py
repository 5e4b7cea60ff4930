"""The score of the PhysioNet/CinC Challenge 2021 (Reyna et al. 2021, doi:10.22489/CinC.2021.687).

A wrong diagnosis with a similar treatment earns part of the credit, by a table of weights between
the 26 scored classes. The score is 1 for the labels themselves and 0 for saying "sinus rhythm" of
everyone; worse than that is negative.

Table: `cinc_2021_weights.csv`, from `weights.csv` of github.com/physionetchallenges/
evaluation-2021; rows and columns are SNOMED CT codes, a bar joins two that are scored as one.
"""

import csv
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SINUS_RHYTHM = "426783006"

# The challenge's own abbreviations (`dx_mapping_scored.csv`) of its 30 codes.
CODES = {
    "AF": "164889003",
    "AFL": "164890007",
    "BBB": "6374002",
    "Brady": "426627000",
    "CLBBB": "733534002",
    "CRBBB": "713427006",
    "IAVB": "270492004",
    "IRBBB": "713426002",
    "LAD": "39732003",
    "LAnFB": "445118002",
    "LBBB": "164909002",
    "LQRSV": "251146004",
    "NSIVCB": "698252002",
    "NSR": "426783006",
    "PAC": "284470004",
    "PR": "10370003",
    "PRWP": "365413008",
    "PVC": "427172004",
    "LPR": "164947007",
    "LQT": "111975006",
    "QAb": "164917005",
    "RAD": "47665007",
    "RBBB": "59118001",
    "SA": "427393009",
    "SB": "426177001",
    "STach": "427084000",
    "SVPB": "63593006",
    "TAb": "164934002",
    "TInv": "59931005",
    "VPB": "17338001",
}


@cache
def classes() -> tuple[str, ...]:
    """The 26 classes in the order of the table, joined codes sorted: "59118001|713427006"."""
    return _table()[0]


def weights(label_names: Sequence[str] | None = None) -> Floats:
    """(class, class) credit for predicting the column where the row is true.

    Args:
        label_names: classes wanted, in this order: codes or abbreviations, joined by a bar in any
            order, or one of the two alone. None: all 26 in the order of `classes`.

    Raises:
        ValueError: an unknown or repeated class, or no sinus rhythm among them.
    """
    names, table = _table()
    if label_names is None:
        return table.copy()
    rows = _rows(label_names)
    if names.index(SINUS_RHYTHM) not in rows:
        raise ValueError(f"sinus rhythm ({SINUS_RHYTHM}) is missing: the score is relative to it")
    return table[np.ix_(rows, rows)]


def is_challenge(label_names: Sequence[str]) -> bool:
    """Whether these are classes of the challenge, sinus rhythm among them."""
    try:
        weights(list(label_names))
    except ValueError:
        return False
    return bool(label_names)


def cinc_score(
    label: NDArray[np.generic],
    is_predicted: NDArray[np.generic],
    label_names: Sequence[str] | None = None,
) -> float:
    """The score of a set of recordings; 0 where sinus rhythm for everyone is already perfect.

    Args:
        label, is_predicted: (record, class) 0 or 1.
        label_names: (class,) as in `weights`.

    Raises:
        ValueError: shapes differ or do not fit the classes.
    """
    return normalized(record_credits(label, is_predicted, label_names).sum(0))


def record_credits(
    label: NDArray[np.generic],
    is_predicted: NDArray[np.generic],
    label_names: Sequence[str] | None = None,
) -> Floats:
    """(record, 3): credit of the prediction, of the label itself, and of "sinus rhythm".

    Their sums over recordings make the score, see `normalized`; so it can be resampled.
    """
    table = weights(label_names)
    true, predicted = np.asarray(label, dtype=bool), np.asarray(is_predicted, dtype=bool)
    if true.ndim != 2 or true.shape != predicted.shape or true.shape[1] != len(table):
        raise ValueError(
            f"labels of shape {true.shape}, predictions of shape {predicted.shape}:"
            f" want (record, {len(table)}) twice"
        )
    sinus = np.zeros_like(true)
    sinus[:, _rows(label_names or classes()).index(_rows([SINUS_RHYTHM])[0])] = True
    earned = true @ table  # (record, class): what each prediction would earn
    return np.stack(
        [_credit(true, outcome, earned) for outcome in (predicted, true, sinus)], axis=1
    )


def normalized(credit: Floats) -> float:
    """(observed, correct, inactive) sums -> score; 0 without a scale, as the official code."""
    observed, correct, inactive = (float(value) for value in credit)
    return (observed - inactive) / (correct - inactive) if correct != inactive else 0.0


def choose_thresholds(
    label: NDArray[np.generic],
    probability: NDArray[np.floating],
    label_names: Sequence[str] | None = None,
    num_rounds: int = 3,
) -> Floats:
    """A threshold for each class that together make the score of these recordings high.

    Class by class, the threshold that is best given the others is found exactly (one sort); this is
    repeated from the best common threshold on. Choose on validation data, never on the test set.

    Args:
        label: (record, class) 0 or 1.
        probability: (record, class).
        label_names: (class,) as in `weights`.
        num_rounds: passes over the classes at most.

    Returns:
        (class,): predict where `probability >= threshold`; infinity means never.
    """
    true, table = np.asarray(label, dtype=bool), weights(label_names)
    chance: Floats = np.asarray(probability, dtype=np.float64)
    common = np.unique(np.quantile(chance, np.linspace(0, 1, 101)))
    scores = [record_credits(true, chance >= t, label_names)[:, 0].sum() for t in common]
    threshold = np.full(len(table), common[int(np.argmax(scores))])
    is_predicted, earned = chance >= threshold, true @ table
    for _ in range(num_rounds):
        before = threshold.copy()
        for index in range(len(table)):
            threshold[index] = _best_threshold(true, is_predicted, earned, chance, index)
            is_predicted[:, index] = chance[:, index] >= threshold[index]
        if np.array_equal(before, threshold):
            break
    return threshold


def _best_threshold(
    true: Flags, is_predicted: Flags, earned: Floats, probability: Floats, index: int
) -> float:
    """The best threshold of one class, the predictions of the others being as they are."""
    without, with_it = is_predicted.copy(), is_predicted.copy()
    without[:, index], with_it[:, index] = False, True
    gain = _credit(true, with_it, earned) - _credit(true, without, earned)
    order = np.argsort(-probability[:, index], kind="stable")
    ordered = probability[order, index]
    total = np.concatenate([[0.0], gain[order].cumsum()])  # of predicting the first n recordings
    # Recordings of equal probability stand or fall together.
    is_cut = np.concatenate([[True], ordered[1:] < ordered[:-1], [True]])
    num_predicted = int(np.argmax(np.where(is_cut, total, -np.inf)))
    if num_predicted == 0:
        return float("inf")
    if num_predicted == len(ordered):
        return float(ordered[-1])
    above, below = ordered[num_predicted - 1], ordered[num_predicted]
    return float(max((above + below) / 2, np.nextafter(below, above)))


def _credit(true: Flags, predicted: Flags, earned: Floats) -> Floats:
    """(record,) credit; each recording shares it between all classes that it or the label names."""
    num_named = np.maximum((true | predicted).sum(1), 1)
    return np.asarray((earned * predicted).sum(1) / num_named, dtype=np.float64)


def _rows(label_names: Sequence[str]) -> list[int]:
    """The row of the table of each class."""
    row_of = {code: row for row, name in enumerate(classes()) for code in name.split("|")}
    row_of |= {short: row_of[code] for short, code in CODES.items()}
    found = [{row_of.get(part) for part in name.split("|")} for name in label_names]
    unknown = [
        name for name, rows in zip(label_names, found, strict=True) if None in rows or len(rows) > 1
    ]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not among the 26 classes of the challenge")
    rows = [row for each in found for row in each if row is not None]
    if len(set(rows)) != len(rows):
        raise ValueError(f"a class stands twice among {', '.join(label_names)}")
    return rows


@cache
def _table() -> tuple[tuple[str, ...], Floats]:
    """Names and (26, 26) weights."""
    text = files("anylead.metrics").joinpath("cinc_2021_weights.csv").read_text()
    rows = list(csv.reader(text.splitlines()))
    return tuple(rows[0][1:]), np.array([row[1:] for row in rows[1:]], dtype=np.float64)
