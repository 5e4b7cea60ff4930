"""The plain files below a folder: linked folders are followed once, pipes and devices never opened.

What cannot be looked into is named rather than left out in silence.
"""

import os
import stat
from collections.abc import Sequence
from glob import escape, glob, has_magic
from pathlib import Path
from typing import NamedTuple

_MOST_COMMAS = 8  # in the name of a file


class Found(NamedTuple):
    """What is below a folder.

    files: plain files, in the order of their paths.
    skipped: what was not looked at, and why ("a/pipe.csv: a pipe (FIFO)").
    """

    files: list[Path]
    skipped: list[str]


def files_below(root: Path) -> Found:
    """Every plain file below a folder, each real folder once, hidden ones left out.

    Real folders come before links to them, so that a recording keeps the name of its own folder.
    """
    files: list[Path] = []
    skipped: list[str] = []
    seen: set[tuple[int, int]] = set()
    folders: list[Path] = [root]
    links: list[Path] = []
    while folders or links:
        is_link = not folders
        folder = links.pop(0) if is_link else folders.pop()
        try:
            place = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            skipped.append(f"{folder.relative_to(root)}: {error.strerror or error}")
            continue
        if (place.st_dev, place.st_ino) in seen:
            continue
        seen.add((place.st_dev, place.st_ino))
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith("."):
                continue
            try:
                mode = entry.stat().st_mode
            except OSError as error:
                skipped.append(f"{path.relative_to(root)}: {error.strerror or error}")
                continue
            if stat.S_ISDIR(mode):
                (links if entry.is_symlink() else folders).append(path)
            elif stat.S_ISREG(mode):
                files.append(path)
            else:
                skipped.append(f"{path.relative_to(root)}: {kind(mode)}")
    return Found(sorted(files), sorted(skipped))


def kind(mode: int) -> str:
    """What a path is that is no plain file, in words."""
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe (FIFO)",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "no plain file")


def told(skipped: Sequence[str], most: int = 5) -> str:
    """One sentence about what was not looked at; "" for nothing."""
    if not skipped:
        return ""
    listed = "; ".join(skipped[:most]) + ("; ..." if len(skipped) > most else "")
    return f"{len(skipped)} not looked at: {listed}."


def printable(name: str) -> str:
    r"""A name of a file as text: bytes that are no text, in this or any locale, as "\xff"."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def divided(source: str) -> list[str]:
    """The files of a text with commas between them, where a name may have commas, too."""
    parts, found = source.split(","), list[str]()
    while parts:
        joined = (",".join(parts[:n]) for n in range(1, min(len(parts), _MOST_COMMAS + 1) + 1))
        name = next((name for name in joined if named(name).exists()), parts[0])
        found.append(name)
        parts = parts[name.count(",") + 1 :]
    return found


def is_pattern(place: str) -> bool:
    """Whether a text stands for names such as "*.xml"; never where a file is called so."""
    return has_magic(place) and not Path(place).exists()


def fitting(place: str) -> list[Path]:
    """The files and folders behind a name or a pattern, in order; none where there is none."""
    found = sorted(glob(place, recursive=True)) if is_pattern(place) else [named(place)]
    return [path for path in map(Path, found) if path.exists()]


def named(place: str | Path) -> Path:
    """What is called so; WFDB users name records without extension, which are their headers."""
    path = Path(place)
    header = path.with_name(f"{path.name}.hea") if path.name else path
    return header if not path.exists() and header.is_file() else path


def absolute(place: str) -> str:
    """The same name or pattern from the root, wherever a process may stand."""
    path = Path(place)
    if is_pattern(place) and not path.is_absolute():
        return str(Path(escape(str(Path.cwd())), place))
    return str(path.absolute())
