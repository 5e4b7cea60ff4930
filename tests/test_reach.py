"""How much of the package a training reaches by imports: what it does not use costs nobody."""

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import synthetic_store

SOURCE = Path(__file__).resolve().parents[1] / "src" / "anylead"
# Entry -> lines that it may reach.
MOST = {"anylead.commands.pretrain": 7000, "anylead.training.loop": 1000}


def file_of(module):
    """Of a module of the package; None where the name is that of a function, say."""
    path = SOURCE.joinpath(*module.split(".")[1:])
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def named(file):
    """Whatever a file imports of the package, at its top or within, with all rooms around."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "anylead":
                yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def reached(entry):
    """Files that importing the entry can lead to -> their lines."""
    lines, waiting = {}, [entry]
    while waiting:
        file = file_of(waiting.pop())
        if file is not None and file not in lines:
            lines[file] = num_lines(file)
            waiting += named(file)
    return lines


def num_lines(file):
    return len(file.read_text(encoding="utf-8").splitlines())


def told(lines):
    return {str(file.relative_to(SOURCE)): count for file, count in sorted(lines.items())}


def cpu_seconds(code):
    """Of a fresh Python that runs the code: the least of some, whatever else the machine does."""

    def once():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(5))


def test_the_package_itself_is_imported_within_50_ms_and_brings_nothing_along():
    code = "import sys, anylead; dir(anylead); assert not {'numpy', 'torch'} & sys.modules.keys()"
    assert cpu_seconds(code) - cpu_seconds("pass") < 0.05


@pytest.mark.parametrize("entry", MOST)
def test_a_walk_along_the_imports_stays_short(entry):
    lines = reached(entry)
    assert len(lines) > 5, "the walk lost its way"
    assert sum(lines.values()) < MOST[entry], told(lines)


def test_a_run_imports_no_more_than_the_walk_says(tmp_path):
    store = synthetic_store.store_folder()
    code = f"""
import sys
from anylead.commands import pretrain
from anylead.commands.parts import DataConfig, EncoderChoice
from anylead.training.settings import TrainConfig
pretrain.run(pretrain.Recipe(
    out={str(tmp_path / "run")!r}, encoder=EncoderChoice("tiny"),
    data=DataConfig({str(store)!r}),
    train=TrainConfig(steps=1, batch_size=4, device="cpu", is_quiet=True)))
print(*(name for name in sys.modules if name.split(".")[0] == "anylead"))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    files = {file_of(name) for name in run.stdout.splitlines()[-1].split()} - {None}
    lines = {file: num_lines(file) for file in files}
    assert SOURCE / "methods" / "wav2vec2_cmsc.py" in lines
    assert SOURCE / "methods" / "jepa.py" not in lines
    assert sum(lines.values()) < MOST["anylead.commands.pretrain"], told(lines)
