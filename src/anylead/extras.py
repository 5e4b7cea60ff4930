"""Packages that may be absent, and the command that brings them to where the user stands."""

import json
import shlex
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlparse

from anylead.errors import MissingPackageError


def missing(package: str | None, extra: str) -> MissingPackageError:
    """What to raise where a package of an extra cannot be imported, from where that is caught.

    Args:
        package: that is missing.
        extra: of anylead, which brings it.

    Raises:
        KeyboardInterrupt: Ctrl-C came while it was imported; libraries in C tell it as an
            ImportError.
    """
    caught = error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        error = error.__cause__ or error.__context__
    if isinstance(caught, ImportError) and not isinstance(caught, ModuleNotFoundError):
        why = (str(caught).splitlines() or ["no reason told"])[0]
        return MissingPackageError(
            f"{package} is there and cannot be imported ({why}); to bring it anew run:"
            f" {install_command(extra)}"
        )
    return MissingPackageError(
        f"{package} is not installed, a part of anylead[{extra}]; run: {install_command(extra)}"
    )


def install_command(extra: str = "") -> str:
    """The pip command that brings an extra here: into this Python, from where anylead came."""
    source = _clone()
    what = "anylead" if source is None else str(source)
    target = f"{what}[{extra}]" if extra else what
    words = [_shortest(Path(sys.executable)), "-m", "pip", "install"]
    words += ["--upgrade"] if source is None else ["-e"]
    return shlex.join([*words, target])


def _clone() -> Path | None:
    """The folder of sources that anylead was installed from with `pip install -e`, if it was."""
    try:
        told = metadata.distribution("anylead").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        told = None
    if told is None:
        return None
    facts = json.loads(told)
    if not facts.get("dir_info", {}).get("editable"):
        return None
    folder = Path(unquote(urlparse(facts["url"]).path))
    return Path(_shortest(folder)) if folder.is_dir() else None


def _shortest(path: Path) -> str:
    """Relative to where the user stands, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
