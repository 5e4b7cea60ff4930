"""Files of a corpus from a server or a mirror: their list, and each of them checked."""

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, urlsplit

from anylead.datasets.sources import SUMS
from anylead.errors import DatasetError
from anylead.extras import missing

_PART = ".part"
_SECONDS = (5.0, 60.0)  # to connect, and between two pieces
_WAITS = (0.5, 1.0, 2.0)  # before a broken transfer is taken up again
_PIECE = 1 << 16


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Attributes:
        path: below the folder of the corpus, with slashes.
        address: URL, or path of a mirror's file.
        checksum: "sha256:..." or "md5:...".
    """

    path: str
    address: str
    checksum: str


class UnreachableError(Exception):
    """There is no way to a server now."""


def parse_sums(text: str, folder: str) -> list[RemoteFile]:
    """The files of a list as `sha256sum` writes it.

    Raises:
        DatasetError: a line that is none, or a path that leads out of the folder.
    """
    files = []
    for line in text.splitlines():
        if not line.strip():
            continue
        checksum, _, name = line.strip().partition(" ")
        name = name.strip().removeprefix("*").removeprefix("./")
        path = PurePosixPath(name)
        is_hash = len(checksum) == 64 and set(checksum.lower()) <= set("0123456789abcdef")
        leads_out = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name
        if not is_hash or not name or leads_out:
            raise DatasetError(f"{folder}{SUMS}: {line[:80]!r} is no checksum with a path below it")
        if name == SUMS:
            continue
        address = folder + (quote(name) if _is_url(folder) else name)
        files.append(RemoteFile(name, address, f"sha256:{checksum.lower()}"))
    if not files:
        raise DatasetError(f"{folder}{SUMS}: is empty")
    return files


def files_of_doi(doi: str) -> list[RemoteFile]:
    """What Zenodo or figshare say of a data set."""
    import requests
    from pooch.downloaders import FigshareRepository, ZenodoRepository

    registry = require_pooch().create(path=".", base_url="")
    number = doi.partition("zenodo.")[2]
    kind, page = (
        (ZenodoRepository, f"https://zenodo.org/records/{number}")
        if number
        else (FigshareRepository, f"https://doi.org/{doi}")
    )
    repository = kind(doi, page, timeout=_SECONDS)
    try:
        repository.populate_registry(registry)
        found = registry.registry.items()
        return [RemoteFile(n, repository.download_url(n), checksum) for n, checksum in found]
    except (requests.ConnectionError, requests.Timeout) as error:
        raise UnreachableError(_reason(page, error)) from None
    except (requests.RequestException, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnreachableError(f"{page} does not tell its files ({error})") from None


def read_sums(folders: Sequence[str]) -> tuple[str, str]:
    """The list of checksums, and the folder where it was found."""
    import requests

    reasons = []
    for folder in folders:
        if not _is_url(folder):
            path = Path(folder) / SUMS
            if path.is_file():
                return path.read_text(encoding="utf-8"), folder
            raise DatasetError(_without_sums(folder))
        try:
            answer = requests.get(folder + SUMS, timeout=_SECONDS)
        except requests.RequestException as error:
            reasons.append(_reason(folder, error))
            continue
        if answer.ok:
            return answer.text, folder
        reasons.append(f"{folder}{SUMS}: the server answers {answer.status_code}")
        if len(folders) == 1 and answer.status_code == 404:
            raise DatasetError(_without_sums(folder))
    raise UnreachableError("; ".join(reasons))


def _without_sums(folder: str) -> str:
    return (
        f"mirror {folder}: has no {SUMS}; make one there with `find . -type f ! -name {SUMS}"
        f" -exec sha256sum {{}} + > {SUMS}`"
    )


def _reason(address: str, error: Exception) -> str:
    return f"{urlsplit(address).netloc} cannot be reached ({type(error).__name__})"


def _is_url(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def require_pooch() -> Any:
    """The package that downloads and checks.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import pooch
    except ImportError:
        raise missing("pooch", "download") from None
    pooch.get_logger().setLevel(logging.ERROR)
    return pooch


class Transfer:
    """Fetches files and checks them (by pooch); goes on with begun ones, and can be stopped.

    Args:
        out: folder of the corpus.
        received: is told numbers of bytes.
    """

    def __init__(self, out: Path, received: Callable[[int], None]):
        self.out = out
        self.received = received
        self.stopped = threading.Event()
        self._local = threading.local()

    def fetch(self, file: RemoteFile) -> tuple[bool, str]:
        """Whether the file is new, and why it was refused.

        Raises:
            UnreachableError: the server is gone.
            OSError: the folder cannot be written.
        """
        import requests

        target = self.out / file.path
        part = target.with_name(target.name + _PART)
        is_there = target.is_file()
        is_whole = require_pooch().hashes.hash_matches
        if is_there and is_whole(target, file.checksum):
            return False, ""
        for _ in range(2):
            was_begun = part.is_file()
            try:
                self._receive(part, file.address)
            except requests.HTTPError as error:
                status = getattr(error.response, "status_code", 0)
                needs = "; it wants an account" if status in (401, 403) else ""
                return False, f"{file.path} (the server answers {status}{needs})"
            except FileNotFoundError:
                return False, f"{file.path} (the mirror does not have it)"
            if is_whole(part, file.checksum):
                part.replace(target)
                return True, ""
            part.unlink()
            # What was begun earlier may have been of another file: once more from the start.
            if not was_begun:
                break
        if is_there:
            target.unlink(missing_ok=True)
        return False, f"{file.path} (its checksum is not the published one; removed)"

    def _receive(self, part: Path, address: str) -> None:
        """All of a file, going on with what lies in `part`."""
        part.parent.mkdir(parents=True, exist_ok=True)
        if not _is_url(address):
            shutil.copyfile(address, part)
            self.received(part.stat().st_size)
            return
        import requests

        broken = (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )
        for delay in (*_WAITS, None):
            try:
                self._stream(address, part)
                return
            except broken as error:
                if delay is None or self.stopped.wait(delay):
                    raise UnreachableError(_reason(address, error)) from None

    def _stream(self, address: str, part: Path) -> None:
        import requests

        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        begun = part.stat().st_size if part.is_file() else 0
        headers = {"Accept-Encoding": "identity"}
        if begun:
            headers["Range"] = f"bytes={begun}-"
        with self._local.session.get(
            address, headers=headers, stream=True, timeout=_SECONDS
        ) as answer:
            if begun and answer.status_code == 416:
                return  # nothing is left to send; the checksum decides
            answer.raise_for_status()
            starts = answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
            with part.open("ab" if answer.status_code == 206 and starts else "wb") as file:
                for piece in answer.iter_content(_PIECE):
                    file.write(piece)
                    self.received(len(piece))
                    if self.stopped.is_set():
                        raise UnreachableError("stopped")
