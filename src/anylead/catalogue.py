"""A table of parts, name -> part, whose files are imported when a part is asked for."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TypeVar

Part = TypeVar("Part")


class Catalogue(Mapping[str, Part]):
    """The parts of a room: each lies in the file of its name.

    Args:
        room: the package of the files, such as "anylead.methods".
        names: name of a part, which is that of its file -> what it is called in there.
    """

    def __init__(self, room: str, names: Mapping[str, str]):
        self._room, self._names = room, dict(names)

    def __getitem__(self, name: str) -> Part:
        called = self._names[name]
        part: Part = getattr(import_module(f"{self._room}.{name}"), called)
        return part

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # that of Mapping would import the file
