"""`anylead doctor`: what is installed, on what machine, what is missing and what brings it."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from anylead import __version__
from anylead.commands import screen
from anylead.errors import MissingPackageError
from anylead.extras import install_command

# Extras that only join other extras, or are for people who work on anylead.
_NOT_FOR_USERS = ("all", "dev")
# Where Linux tells that an NVIDIA driver runs.
_DRIVER = Path("/proc/driver/nvidia/version")

EXAMPLES = ("anylead doctor",)


@dataclass(frozen=True)
class Recipe:
    """What is told.

    Attributes:
        json: print the findings as JSON.
    """

    json: bool = False


@dataclass(frozen=True)
class Package:
    """A requirement and what is there.

    Attributes:
        name: as pip knows it.
        wanted: versions that will do.
        found: the version, or None.
        is_fine: there, and a version that will do.
    """

    name: str
    wanted: str
    found: str | None
    is_fine: bool


@dataclass(frozen=True)
class Extra:
    """Packages that one extra brings, "anylead[name]"; "" are the required ones."""

    name: str
    packages: Sequence[Package]

    @property
    def lacking(self) -> list[Package]:
        """Packages that are missing or too old."""
        return [package for package in self.packages if not package.is_fine]

    @property
    def remedy(self) -> str:
        """The command that brings what lacks."""
        return install_command(self.name)


def run(recipe: Recipe) -> list[Extra]:
    """Print the findings; returns the packages by extra.

    Raises:
        MissingPackageError: a required package is missing or too old.
    """
    extras = find_extras(_requirements(), _installed)
    lines = [f"anylead {__version__}, Python {platform.python_version()}, {sys.executable}"]
    lines += machine()
    if recipe.json:
        screen.print_json({"machine": lines, "extras": [asdict(extra) for extra in extras]})
    else:
        _show(lines, extras)
    broken = [package for extra in extras if not extra.name for package in extra.lacking]
    if broken:
        names = ", ".join(f"{each.name}{each.wanted} (found {each.found})" for each in broken)
        raise MissingPackageError(f"required: {names}; run: {install_command()}")
    return extras


def _show(lines: Sequence[str], extras: Sequence[Extra]) -> None:
    console = screen.console()
    for line in lines:
        screen.say(console, line)
    rows = [
        (extra.name or "(required)", package.name, package.wanted, package.found or "missing")
        for extra in extras
        for package in extra.packages
    ]
    screen.show_table(console, ("extra", "package", "wanted", "found"), rows, num_keys=2)
    for extra in extras:
        if extra.lacking:
            names = ", ".join(package.name for package in extra.lacking)
            what = extra.name or "required"
            screen.say(console, f"{what}: {names} to be added or updated: {extra.remedy}")


def find_extras(requirements: Iterable[str], installed: Callable[[str], str | None]) -> list[Extra]:
    """The required packages first, then every extra a user may want.

    Args:
        requirements: as in the metadata of anylead.
        installed: name of a package -> its version, or None.
    """
    found: dict[str, list[Package]] = {"": []}
    for text in requirements:
        requirement = Requirement(text)
        name = str(requirement.marker).partition('extra == "')[2].partition('"')[0]
        if name in _NOT_FOR_USERS or requirement.name == "anylead":
            continue
        version = installed(requirement.name)
        is_fine = version is not None and requirement.specifier.contains(version, prereleases=True)
        package = Package(requirement.name, str(requirement.specifier), version, is_fine)
        found.setdefault(name, []).append(package)
    return [Extra(name, packages) for name, packages in found.items()]


def machine() -> list[str]:
    """Lines about cores, memory, disk and devices."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    free = shutil.disk_usage(".").free / 2**30
    lines = [f"{platform.system()} {platform.machine()}, {cores} cores{_memory()}"]
    lines.append(f"{free:.0f} GiB free in {Path.cwd()}")
    return [*lines, *devices()]


def devices() -> list[str]:
    """Lines about what torch can compute on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [f"torch cannot be imported: {error}"]
    lines = [
        f"cuda:{number}: {torch.cuda.get_device_name(number)},"
        f" {torch.cuda.get_device_properties(number).total_memory / 2**30:.0f} GiB,"
        f" bf16 {'yes' if torch.cuda.is_bf16_supported(including_emulation=False) else 'no'}"
        for number in range(torch.cuda.device_count())
    ]
    lines.append(f"cpu: {torch.get_num_threads()} threads, torch {torch.__version__}")
    if torch.version.cuda is None and _DRIVER.exists():
        lines.append(
            "a GPU is here and this torch was built without CUDA: install the CUDA build,"
            " as pytorch.org says under Get Started"
        )
    return lines


def _memory() -> str:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return ""
    return f", {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB of memory"


def _requirements() -> list[str]:
    try:
        return metadata.requires("anylead") or []
    except metadata.PackageNotFoundError:
        raise MissingPackageError(
            "anylead runs from its sources without being installed; run in their folder: make demo"
        ) from None


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
