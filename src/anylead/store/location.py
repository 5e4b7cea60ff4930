"""Where the files of a store are: a folder, or a URL whose files are fetched when needed."""

import os
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from anylead.errors import AnyleadError, StoreError
from anylead.extras import missing
from anylead.store.manifest import MANIFEST


class Location(Protocol):
    """A place that holds the files of a store."""

    def text(self, name: str) -> str:
        """The present content of a small file."""
        ...

    def file(self, name: str, expected_sha256: str) -> Path:
        """A local path of a file."""
        ...


class Folder:
    """A store on this machine."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def text(self, name: str) -> str:
        """The content of a file; StoreError where the folder holds no finished store."""
        path = self.folder / name
        try:
            if path.is_file():
                return path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise StoreError(f"{path}: is damaged; copy the store again or prepare it again") from (
                None
            )
        except OSError as error:
            raise StoreError(f"{path}: cannot be read ({error.strerror or error})") from None
        if (self.folder / "journal").is_dir():
            raise StoreError(
                f"{self.folder}: not finished; run the same prepare command again, it goes on"
                " where it stopped"
            )
        raise StoreError(
            f"{self.folder}: no store ({name} is missing); make one with `anylead prepare`"
        )

    def file(self, name: str, expected_sha256: str) -> Path:
        """The path of a file in the folder."""
        return self.folder / name


class Remote:
    """A store behind any fsspec URL; files are kept in a local cache under their hash.

    Args:
        url: such as "s3://bucket/store".
        cache: folder of the cache; None takes ANYLEAD_CACHE or ~/.cache/anylead.
    """

    def __init__(self, url: str, cache: Path | None = None):
        self.url = url.rstrip("/")
        usual = os.environ.get("ANYLEAD_CACHE") or Path.home() / ".cache" / "anylead"
        self.cache = cache or Path(usual) / "shards"

    def __str__(self) -> str:
        return self.url

    def text(self, name: str) -> str:
        """The content of a file, always fetched."""
        try:
            with self._filesystem().open(f"{self.url}/{name}", "rb") as file:
                return bytes(file.read()).decode()
        except FileNotFoundError:
            raise StoreError(f"{self.url}: no store ({MANIFEST} is missing)") from None
        except AnyleadError:
            raise
        except Exception as error:  # each kind of storage has errors of its own
            raise StoreError(
                f"{self.url}: cannot be read ({error}); check address, network and credentials"
            ) from None

    def file(self, name: str, expected_sha256: str) -> Path:
        """The path of the cached copy, fetched and checked the first time."""
        path = self.cache / f"{expected_sha256}-{name}"
        if path.is_file():
            return path
        self.cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
        try:
            with (
                self._filesystem().open(f"{self.url}/{name}", "rb") as source,
                temporary.open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 2**20)
            if file_sha256(temporary) != expected_sha256:
                raise StoreError(f"{self.url}/{name}: arrived damaged; try again")
            temporary.replace(path)
        except AnyleadError:
            raise
        except Exception as error:  # each kind of storage has errors of its own
            raise StoreError(f"{self.url}/{name}: cannot be fetched ({error})") from None
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def _filesystem(self) -> Any:
        try:
            from fsspec.core import url_to_fs

            return url_to_fs(self.url)[0]
        except ImportError as error:
            raise missing(error.name, "cloud") from None


def file_sha256(path: Path) -> str:
    """Hash of a file, read piece by piece."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
