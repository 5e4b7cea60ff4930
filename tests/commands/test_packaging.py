"""Wheel and source archive: what is inside, and that it installs into an empty environment."""

import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile

import pytest
from packaging.requirements import Requirement

from commands import markdown

pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SOURCE = markdown.ROOT / "src"


def run(*command, cwd):
    told = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The source archive, unpacked, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("built")
    hatchling = (sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    run(*hatchling, "-t", "sdist", cwd=markdown.ROOT)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    run(*hatchling, "-t", "wheel", cwd=unpacked)
    (wheel,) = folder.glob("*.whl")
    return unpacked, wheel


@pytest.fixture(scope="module")
def python(built, tmp_path_factory):
    """Python of an environment that holds the wheel; what it requires comes from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python))
    run(*pip, "install", "-q", "--no-deps", "--no-index", str(built[1]), cwd=folder)
    site = run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd="/")
    # A path file inside this folder is not followed, so an editable install stays out of sight.
    here = [path for path in sys.path if path.endswith("site-packages")]
    (markdown.Path(site.strip()) / "requirements.pth").write_text("\n".join(here))
    return python


def test_the_wheel_holds_every_file_of_the_package(built):
    names = set(zipfile.ZipFile(built[1]).namelist())
    files = {path for path in (SOURCE / "anylead").rglob("*") if path.is_file()}
    wanted = {path.relative_to(SOURCE).as_posix() for path in files if path.suffix != ".pyc"}
    assert wanted - names == set()
    assert {"anylead/py.typed", "anylead/metrics/cinc_2021_weights.csv"} <= wanted
    for notice in ("LICENSE", "THIRD_PARTY.md"):
        assert any(name.endswith(f"licenses/{notice}") for name in names)


def test_the_source_archive_holds_what_is_needed_to_test_and_to_cite(built):
    for name in ("LICENSE", "CITATION.cff", "CHANGELOG.md", "THIRD_PARTY.md", "Makefile"):
        assert (built[0] / name).is_file(), name
    assert (built[0] / "tests" / "conftest.py").is_file()
    assert not (built[0] / ".cache").exists()


def test_every_package_that_is_needed_has_its_licence_listed():
    project = tomllib.loads((markdown.ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = project["dependencies"] + [
        each for name, group in extras.items() if name not in ("all", "dev") for each in group
    ]
    listed = (markdown.ROOT / "THIRD_PARTY.md").read_text()
    names = [Requirement(each).name for each in needed]
    assert [name for name in names if f"| {name} |" not in listed] == []


def test_the_installed_wheel_answers(python, tmp_path):
    command = str(python.with_name("anylead"))
    assert run(command, "--version", cwd=tmp_path).startswith("anylead ")
    where = run(str(python), "-c", "import anylead; print(anylead.__file__)", cwd=tmp_path)
    assert where.startswith(str(python.parents[1]))
    # Reads the matrix of the CinC score and the fields of a recipe.
    code = "from anylead.metrics import cinc_score; print(len(cinc_score.classes()))"
    assert int(run(str(python), "-c", code, cwd=tmp_path)) == 26
    assert "--train.epochs" in run(command, "pretrain", "--help", cwd=tmp_path)
