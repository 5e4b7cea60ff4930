"""`anylead download NAME -o DIR`: a public corpus from its official place, or from a mirror.

Every file is checked against its published checksum before it stands under its name; a run that
was stopped goes on where it was, in the middle of a file too. Without NAME the corpora are listed.
"""

import fnmatch
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from filelock import FileLock, Timeout
from rich.console import Console

from anylead.commands import screen
from anylead.datasets.fetching import (
    RemoteFile,
    Transfer,
    UnreachableError,
    files_of_doi,
    parse_sums,
    read_sums,
    require_pooch,
)
from anylead.datasets.sources import SOURCES, SUMS, Source
from anylead.errors import DatasetError, RecipeError, known_are
from anylead.store.files import whole_file, write_error
from anylead.store.unfinished import release

_LOCK = ".anylead-download.lock"

EXAMPLES = (
    "anylead download",
    "anylead download ptbxl -o ptbxl/",
    "anylead download mimic_iv_ecg -o mimic/ --mirror /nfs/copies/mimic",
)


@dataclass(frozen=True)
class Recipe:
    """What to download.

    Attributes:
        name: of the corpus; empty lists what there is.
        out: folder for its files.
        mirror: URL or folder with the same files and their SHA256SUMS.txt; null takes the official
            address.
        only: patterns of the files wanted, such as "records500/*"; all, if empty.
        num_transfers: files at the same time.
        json: print the list of corpora as JSON.
    """

    name: str = ""
    out: Path | None = None
    mirror: str | None = None
    only: tuple[str, ...] = ()
    num_transfers: int = 8
    json: bool = False


def run(recipe: Recipe, console: Console | None = None) -> Path | None:
    """Download a corpus, or go on with it; returns its folder.

    Raises:
        RecipeError: no such corpus, or a setting out of range.
        DatasetError: no network, a mirror without a list, or files that are not what they must be.
        StoreError: the folder cannot be written.
        MissingPackageError: pooch is not installed.
    """
    if not recipe.name:
        show_overview(console or screen.console(), recipe.json)
        return None
    source = source_of(recipe)
    require_pooch()
    console = console or screen.console(stderr=True)
    out = recipe.out or Path(recipe.name)
    screen.say(
        console,
        f"{source.title} {source.version}: {source.licence}, {source.size}, {source.access}.\n"
        f"Cite: {source.citation}",
    )
    try:
        with _alone(out):
            files = wanted(list_files(source, recipe.mirror, out), source, recipe.only)
            fetched, refused = fetch_all(files, out, recipe.num_transfers, console)
            if refused:
                raise DatasetError(
                    f"{out}: {len(refused)} of {len(files)} files could not be had, such as"
                    f" {refused[0]}; the others are there: run the same command again, or name"
                    " another place with --mirror"
                )
            unpack(source, files, out)
    except UnreachableError as error:
        raise DatasetError(by_hand(recipe, source, out, str(error))) from None
    except OSError as error:
        raise write_error(out, error) from error
    screen.say(
        console,
        f"{out}: {len(files):,} files, {fetched:,} of them new; next:"
        f" anylead prepare {recipe.name} {out} -o store",
    )
    return out


def show_overview(console: Console, as_json: bool) -> None:
    """Print the corpora that can be downloaded."""
    header = ("name", "corpus", "licence", "size", "page")
    rows = [
        (name, f"{source.title} {source.version}", source.licence, source.size, source.page)
        for name, source in SOURCES.items()
    ]
    if as_json:
        screen.print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        screen.show_table(console, header, rows)


def source_of(recipe: Recipe) -> Source:
    """The source a recipe names.

    Raises:
        RecipeError: it names none, or asks for no transfers.
    """
    if recipe.name not in SOURCES:
        raise RecipeError(f"no corpus {recipe.name!r} to download{known_are(recipe.name, SOURCES)}")
    if recipe.num_transfers < 1:
        raise RecipeError(f"num_transfers {recipe.num_transfers}: want 1 or more")
    return SOURCES[recipe.name]


def by_hand(recipe: Recipe, source: Source, out: Path, reason: str) -> str:
    """What to do where there is no network."""
    where = "".join(
        f", unpacked into {out / folder}" for folder in sorted(set(source.unpack.values()))
    )
    how = ", ".join(source.files) + where
    if source.project:
        how = (
            f"`wget -r -N -c -np -nH --cut-dirs={2 + source.project.count('/')} -P {out}"
            f" {source.addresses[-1]}`"
        )
        how += f" brings all; wanted are {', '.join(source.files)}{where}" if source.files else ""
    return (
        f"{recipe.name}: {reason}. By hand: on a machine with a network fetch {source.page}"
        f" ({how}; {source.size}; {source.access}) and put the files into {out}, or name a copy"
        " with --mirror URL-or-folder"
    )


def list_files(source: Source, mirror: str | None, out: Path) -> list[RemoteFile]:
    """Every file of a corpus with its checksum; PhysioNet's list is kept beside the files.

    Raises:
        DatasetError: there is no such list, or it names files outside the folder.
    """
    if mirror is None and source.dois:
        return [file for doi in source.dois for file in files_of_doi(doi)]
    folders = source.addresses if mirror is None else (mirror.rstrip("/") + "/",)
    text, folder = read_sums(folders)
    files = parse_sums(text, folder)
    out.mkdir(parents=True, exist_ok=True)
    with whole_file(out / SUMS) as file:
        file.write(text.encode())
    return files


def wanted(files: list[RemoteFile], source: Source, only: Sequence[str]) -> list[RemoteFile]:
    """Those of a list that are asked for.

    Raises:
        RecipeError: there are none.
    """
    for patterns in (source.files, only):
        if patterns:
            files = [f for f in files if any(fnmatch.fnmatchcase(f.path, p) for p in patterns)]
    if not files:
        raise RecipeError(f"only {', '.join(only)}: no such file in the corpus")
    return files


def fetch_all(
    files: Sequence[RemoteFile], out: Path, num_transfers: int, console: Console
) -> tuple[int, list[str]]:
    """Fetch what is not there yet; returns how many were fetched, and what was refused and why."""
    fetched, refused = 0, []
    with _progress(console, len(files)) as (received, advance):
        transfer = Transfer(out, received)
        with ThreadPoolExecutor(num_transfers) as pool:
            waiting = set()
            try:
                for number, file in enumerate(files, start=1):
                    waiting.add(pool.submit(transfer.fetch, file))
                    # Few wait at a time: a corpus may have a million files.
                    while waiting and (len(waiting) >= 4 * num_transfers or number == len(files)):
                        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        for future in done:
                            is_new, problem = future.result()
                            fetched += is_new
                            refused += [problem] if problem else []
                            advance()
            finally:
                transfer.stopped.set()
                for future in waiting:
                    future.cancel()
    return fetched, refused


def unpack(source: Source, files: Sequence[RemoteFile], out: Path) -> None:
    """Unpack archives, each file by its own name into the folder where `prepare` looks for it."""
    for file in files:
        for pattern, folder in source.unpack.items():
            if fnmatch.fnmatchcase(file.path, pattern):
                _unpack(out / file.path, out / folder)


def _unpack(archive: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, size, content in _members(archive):
        target = folder / PurePosixPath(name).name
        if target.is_file() and target.stat().st_size == size:
            continue
        with content() as source, whole_file(target) as file:
            while piece := source.read(1 << 20):
                file.write(piece)


def _members(archive: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Name, size and content of the plain files in a zip or tar."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                if not member.is_dir():
                    yield member.filename, member.file_size, partial(packed.open, member)
        return
    with tarfile.open(archive) as tar:
        for entry in tar:
            stream = tar.extractfile(entry) if entry.isfile() else None
            if stream is not None:
                yield entry.name, entry.size, lambda stream=stream: stream  # type: ignore[misc]


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise DatasetError(f"{out}: another download is at work there") from None
    try:
        yield
    finally:
        release(lock)


@contextmanager
def _progress(
    console: Console, total: int
) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    lock, begin, num_bytes = threading.Lock(), time.monotonic(), 0
    with screen.progress(console, "downloading", total) as bar:

        def received(count: int) -> None:
            nonlocal num_bytes
            with lock:
                num_bytes += count
            speed = num_bytes / max(time.monotonic() - begin, 1e-9)
            bar.to(bar.done, f"{num_bytes / 1e6:,.1f} MB, {speed / 1e6:.1f} MB/s")

        yield received, bar.by
