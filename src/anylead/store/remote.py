"""A store behind a URL, such as "s3://bucket/store": its files are fetched when they are needed."""

import os
import shutil
from pathlib import Path
from typing import Any

from anylead.errors import AnyleadError, StoreError
from anylead.extras import missing
from anylead.store.location import file_sha256
from anylead.store.manifest import MANIFEST


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
