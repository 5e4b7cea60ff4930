"""PTB Diagnostic 1.0.0 (doi:10.13026/C28C71): 549 records of 290 persons, 15 leads, 1000 Hz.

patient001/s0010_re.hea ...; the three Frank leads are kept aside. Label task "diagnosis": the
reason for admission, as written in the header.
"""

from dataclasses import replace
from pathlib import Path

from anylead.datasets.corpus import Corpus, Item
from anylead.datasets.layout import corpus_folder, headers
from anylead.formats import wfdb
from anylead.formats.wfdb_header import read_header
from anylead.records import Record


def corpus(root: Path | None) -> Corpus:
    """List the records of all persons.

    Raises:
        DatasetError: there is no patient*/s*.hea.
    """
    root = corpus_folder(root, "PTB Diagnostic")
    paths = headers(root, "patient*/s*.hea", "PTB Diagnostic")
    return Corpus("ptb", [(f"{path.parent.name}/{path.stem}", path) for path in paths], read)


def read(item: Item) -> Record:
    """One record; its patient is that of its folder."""
    record_id, path = item
    record = wfdb.read(path)
    reason = read_header(path).fields.get("reason for admission", "")
    stated = reason and reason.lower() not in ("n/a", "unknown")
    return replace(
        record,
        record_id=record_id,
        patient_id=path.parent.name,
        labels={"diagnosis": (reason,)} if stated else {},
        diagnosis=reason or None,
    )
