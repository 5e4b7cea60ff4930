"""The plain files below a folder: linked folders are followed once, pipes and devices never opened.

What cannot be looked into is named rather than left out in silence.
"""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


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
