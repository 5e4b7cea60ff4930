"""A store behind a URL, such as "s3://bucket/store": its files are fetched when they are needed."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from anylead.errors import AnyleadError, StoreError
from anylead.extras import missing
from anylead.store.location import file_sha256
from anylead.store.manifest import MANIFEST

Result = TypeVar("Result")
# Seconds before what failed is tried once more, each time.
PAUSES = (0.5, 2.0, 8.0)


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
            return _patiently(lambda: self._content(name))
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
            _patiently(lambda: self._fetch(name, temporary, expected_sha256))
            temporary.replace(path)
        except AnyleadError:
            raise
        except Exception as error:  # each kind of storage has errors of its own
            raise StoreError(f"{self.url}/{name}: cannot be fetched ({error})") from None
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def _content(self, name: str) -> str:
        with self._filesystem().open(f"{self.url}/{name}", "rb") as file:
            return bytes(file.read()).decode()

    def _fetch(self, name: str, target: Path, expected_sha256: str) -> None:
        with (
            self._filesystem().open(f"{self.url}/{name}", "rb") as source,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, 2**20)
        if file_sha256(target) != expected_sha256:
            raise OSError("it arrived damaged")

    def _filesystem(self) -> Any:
        try:
            from fsspec.core import url_to_fs

            return url_to_fs(self.url)[0]
        except ImportError as error:
            raise missing(error.name, "cloud") from None


def _patiently(fetch: Callable[[], Result]) -> Result:
    """What storage gives, asked again after a while where it failed and may come back."""
    for pause in PAUSES:
        try:
            return fetch()
        except (AnyleadError, FileNotFoundError, PermissionError):
            raise  # another time changes nothing
        except Exception:  # each kind of storage has errors of its own
            time.sleep(pause)
    return fetch()
