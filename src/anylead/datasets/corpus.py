"""What a dataset is: a cheap list of recordings, and a way to read each of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anylead.records import Record

# The id of a recording, unique in its corpus, and whatever `read` needs to read it.
Item = tuple[str, Any]


@dataclass(frozen=True)
class Corpus:
    """A dataset in a folder, listed but not read.

    Attributes:
        name: as in `DATASETS`.
        items: every recording, always in the same order; they can be pickled.
        read: the recording of an item; a function of a module (or a `functools.partial` of one),
            because other processes call it. It raises an `AnyleadError` for a recording that
            cannot be used.
        label_names: the classes of label tasks whose classes are known beforehand, in order.
        note: what a user of the corpus should know, such as that it names no patients.
        summary: what is known of labels and patients before a recording is read, in several lines.
        shared_patients: what is wrong with a split that has patients on several sides, or "".
        sources: what tells that files changed: how many, bytes, the latest time; None if unknown.
    """

    name: str
    items: Sequence[Item]
    read: Callable[[Item], Record]
    label_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""
    summary: str = ""
    shared_patients: str = ""
    sources: Mapping[str, int] | None = None

    def records(self) -> Iterator[Record]:
        """Every recording, one after another."""
        for item in self.items:
            yield self.read(item)
