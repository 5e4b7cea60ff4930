"""What was marked in the recordings of a store."""

from anylead.records import Mark
from anylead.store.reader import Store


def stored_marks(store: Store) -> list[tuple[Mark, ...] | None]:
    """The marks of each recording; None where nobody looked."""
    return [
        None if marks is None else tuple(Mark(**mark) for mark in marks)
        for marks in store.index.column("marks").to_pylist()
    ]
