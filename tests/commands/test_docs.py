"""Every command of the README and of the pages runs; the pages agree with the package."""

import ast
import builtins
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import reference_pages
from commands import markdown

PAGES = [markdown.ROOT / "README.md", *sorted(markdown.DOCS.glob("*.md"))]
COMMANDS = ("sh", "console")
# Their blocks are tried by a test of their own.
ELSEWHERE = {"adding.md"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def commands_of(block):
    """The statements of a block of commands, for the README also of one that names no language."""
    if block.language in COMMANDS:
        return markdown.statements(block.text)
    plain = markdown.statements(block.text) if block.language == "" else []
    return [each for each in plain if each.startswith("anylead ")]


def blocks_to_run(page):
    """The commands and the Python of a page that is written by hand and tested here."""
    if page in (reference_pages.CLI, reference_pages.API) or page.name in ELSEWHERE:
        return []
    return [
        each for each in markdown.blocks(page) if commands_of(each) or each.language == "python"
    ]


WITH_BLOCKS = [page for page in PAGES if blocks_to_run(page)]


@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
@pytest.mark.timeout(600)
def test_every_block_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("benchmarks", "recipes"):  # as from the folder of the repository
        Path(name).symlink_to(markdown.ROOT / name)
    namespace = {"__name__": "page"}
    if page.name == "README.md":
        namespace |= reader_of_the_readme()
    for block in blocks_to_run(page):
        run_block(block, page, namespace)


@every_page
def test_python_of_a_page_names_what_it_uses(page):
    """A block that is copied alone has all its imports; files may be those of the page's start."""
    if page == reference_pages.API:
        return
    granted = {"signal"} if page.name == "README.md" else set()
    for block in markdown.blocks(page):
        if block.language == "python" and block.title in ("", "try"):
            assert free_names(block.text) <= granted, block.text


def free_names(code):
    """Names that a piece of code uses and neither binds nor imports."""
    bound, used = {*dir(builtins), "__name__"}, set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return used - bound


def run_block(block, page, namespace):
    if block.language == "python":
        code = compile(block.text, page.name, "exec")
        if not block.skip:
            exec(code, namespace)
        return
    for statement in commands_of(block):
        if block.skip:
            markdown.check_options(statement)
        else:
            markdown.run(statement)


def reader_of_the_readme():
    """What the README takes for granted: DIR, labels.csv, patient.dcm and `signal`."""
    from anylead import datasets
    from anylead.formats import csv, dicom_write

    Path("DIR").mkdir()
    lines = ["file,patient,diagnosis"]
    made = list(datasets.records("synthetic", num_patients=20, sample_rate=250))
    for record in made:
        csv.write(record, Path("DIR") / f"{record.record_id}.csv")
        labels = ";".join(record.labels["rhythm"])
        lines.append(f"{record.record_id},{record.patient_id},{labels}")
    Path("labels.csv").write_text("\n".join(lines))
    dicom_write.write(made[0], Path("patient.dcm"))
    return {"signal": 1000 * made[0].signal[:2]}


@every_page
def test_every_fence_is_closed_and_names_its_language(page):
    fences = re.findall(r"^```(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) % 2 == 0
    assert page.name == "README.md" or all(fences[::2])
    assert not any(fences[1::2])


def test_the_reference_pages_are_up_to_date():
    remedy = "run: make docs"
    assert reference_pages.CLI.read_text(encoding="utf-8") == reference_pages.cli_page(), remedy
    assert reference_pages.API.read_text(encoding="utf-8") == reference_pages.api_page(), remedy


def test_every_page_is_in_the_navigation():
    text = (markdown.ROOT / "zensical.toml").read_text(encoding="utf-8")
    navigation = str(tomllib.loads(text)["project"]["nav"])
    named = set(re.findall(r"'(\w+\.md)'", navigation))
    assert named == {page.name for page in markdown.DOCS.glob("*.md")}


def test_every_picture_is_there_and_is_used():
    used = set()
    for page in PAGES:
        links = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
        missing = [link for link in links if not (page.parent / link).is_file()]
        assert missing == [], page.name
        used |= {(page.parent / link).resolve() for link in links}
    assert used >= {path.resolve() for path in (markdown.DOCS / "pictures").iterdir()}


ZENSICAL = Path(sys.executable).with_name("zensical")


@pytest.mark.skipif(not ZENSICAL.is_file(), reason="zensical is not installed")
def test_the_site_builds_without_a_warning(tmp_path):
    shutil.copytree(markdown.DOCS, tmp_path / "docs")
    shutil.copy(markdown.ROOT / "zensical.toml", tmp_path)
    build = [str(ZENSICAL), "build", "--strict"]
    told = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert (tmp_path / "site" / "index.html").is_file()
