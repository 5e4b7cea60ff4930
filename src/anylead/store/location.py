"""Where the files of a store are: a folder here; what lies behind a URL is in `remote.py`."""

from hashlib import sha256
from pathlib import Path
from typing import Protocol

from anylead.errors import StoreError


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


def file_sha256(path: Path) -> str:
    """Hash of a file, read piece by piece."""
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()
