"""The examples of docs/adding.md, put into a copy of the tree as the page says and run."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commands import markdown

pytestmark = pytest.mark.timeout(600)
PAGE = markdown.DOCS / "adding.md"
# Contract tests of the parts that the page adds.
CONTRACTS = "gain_change or hide_and_match"


def add_line(path, text):
    """Put the imports, if any, before the first of the room, and the line into its table."""
    imports, _, line = text.rpartition("\n\n")
    source = path.read_text(encoding="utf-8")
    source = source.replace("\nfrom anylead", f"\n{imports}\nfrom anylead", 1)
    table = r"(?m)^([A-Z]+: (?:dict\[.*\] = |Catalogue\[.*\] = Catalogue\(\n.*,\n    )\{)"
    source, count = re.subn(table, rf"\1{line.strip()} ", source)
    assert count == 1, f"{path}: {count} tables"
    path.write_text(source, encoding="utf-8")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the package and the tests with everything the page adds."""
    root = tmp_path_factory.mktemp("tree")
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("src", "tests"):
        shutil.copytree(markdown.ROOT / name, root / name, ignore=ignore)
    shutil.copy(markdown.ROOT / "pyproject.toml", root)
    for block in markdown.blocks(PAGE):
        path = root / block.title
        if block.title.endswith("__init__.py"):
            add_line(path, block.text)
        elif block.title.endswith(".py"):
            assert not path.exists(), f"{path} is in the package: give the example another name"
            path.write_text(block.text, encoding="utf-8")
    return root


def run_python(tree, *arguments):
    path = f"{tree / 'src'}:{tree / 'tests'}"
    environment = {**markdown.with_python(), "PYTHONPATH": path}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def test_what_the_page_adds_works(tree):
    lines = ["from commands import markdown", "import anylead"]
    lines += [f"assert anylead.__file__.startswith({str(tree)!r})"]
    for block in markdown.blocks(PAGE):
        if block.title == "try" and block.language == "python":
            lines.append(block.text)
        elif block.title == "try":
            lines += [f"markdown.run({each!r})" for each in markdown.statements(block.text)]
    lines += [
        "from anylead.store import Store",
        "assert Store.open('store-watch').manifest.num_records == 20",
        "assert 'columns' in Path('store-text/rejected.csv').read_text()",
        "from anylead.checkpoint import load_checkpoint",
        "assert load_checkpoint(Path('runs/sex')).description['kind'] == 'sex'",
    ]
    told = run_python(tree, "-c", "\n".join(lines))
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_contract_tests_find_what_the_page_adds_and_pass(tree):
    chosen = ("tests/contracts", "-k", CONTRACTS, "-p", "no:cacheprovider")
    told = run_python(tree, "-m", "pytest", "-q", *chosen)
    assert told.returncode == 0, told.stdout
    assert int(re.search(r"(\d+) passed", told.stdout)[1]) > 20


def test_what_the_page_adds_is_formatted_and_checked_like_the_package(tree):
    added = [block.title for block in markdown.blocks(PAGE) if block.title.startswith("src/")]
    added = [str(tree / path) for path in added if not path.endswith("__init__.py")]
    ruff = str(Path(sys.executable).with_name("ruff"))
    if not shutil.which(ruff):
        pytest.skip("ruff is not installed")
    for command in (["format", "--check"], ["check"]):
        called = [ruff, *command, "--no-cache", *added]
        told = subprocess.run(called, cwd=tree, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout
