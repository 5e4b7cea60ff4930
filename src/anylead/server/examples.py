"""Generated recordings to try the page with; nobody's heart."""

from functools import lru_cache

from anylead import datasets
from anylead.records import Record
from anylead.server.limits import RefusalError

TASK = "rhythm"
# name -> title, labels the recording has (all others it has not).
EXAMPLES: dict[str, tuple[str, frozenset[str]]] = {
    "sinus-rhythm": ("Sinus rhythm", frozenset({"SR"})),
    "atrial-fibrillation": ("Atrial fibrillation", frozenset({"AFIB"})),
    "left-bundle-branch-block": ("Left bundle branch block", frozenset({"SR", "LBBB"})),
    "right-bundle-branch-block": ("Right bundle branch block", frozenset({"SR", "RBBB"})),
    "st-elevation": ("ST elevation", frozenset({"SR", "STE"})),
    "extra-beats": ("Ventricular extra beats", frozenset({"SR", "PVC"})),
    "tachycardia": ("Sinus tachycardia", frozenset({"STACH"})),
    "bradycardia": ("Sinus bradycardia", frozenset({"SBRAD"})),
}
_SEED = 20


@lru_cache(maxsize=len(EXAMPLES))
def example(name: str) -> Record:
    """The first generated recording with exactly these labels, 10 s of 12 leads.

    Raises:
        RefusalError: no such example.
    """
    if name not in EXAMPLES:
        raise RefusalError(404, f"no example of this name; there are {', '.join(EXAMPLES)}")
    title, labels = EXAMPLES[name]
    made = datasets.records("synthetic", num_patients=400, seed=_SEED)
    record = next(each for each in made if frozenset(each.labels[TASK]) == labels)
    return Record(record.signal, record.leads, record.sample_rate, title)
