"""What must hold of the tree as a whole; import layers are checked by import-linter."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "anylead"
FILES = sorted(SOURCE.rglob("*.py"))
LARGEST_FILE, LARGEST_FUNCTION, MOST_ARGUMENTS, DEEPEST_CLASS = 400, 50, 8, 2
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
# Modules that are not entries of their room's table: what several entries share.
SHARED = {
    "methods": {"pretraining", "views"},
    "tasks": {
        "answers_by_leads",
        *("setup", "embedding", "labels", "linear_head", "prediction", "running", "verdicts"),
        "wave_targets",
    },
    "augment": {"drawing", "noise"},
    "datasets": {
        *("cells", "corpus", "fetching", "holter", "label_table", "layout", "matching"),
        *("scp", "snomed", "sources", "titles"),
    },
    "formats": {
        *("assemble", "beside", "calibration", "channels", "clinical", "guard", "matlab_values"),
        *("sandbox", "search", "sidecar", "times", "units", "wfdb_header"),
        *("wave_marks", "wfdb_parts", "wfdb_samples"),
    },
}
# Entries that belong together: (importer, imported).
PAIRS = {
    ("methods.wav2vec2_cmsc", "methods.wav2vec2"),
    ("methods.wav2vec2_cmsc", "methods.cmsc"),
    ("tasks.identification_setup", "tasks.identification"),
    ("tasks.waves_setup", "tasks.waves"),
}
LOWER_HALF = (
    *("errors.py", "leads.py", "records.py", "formats", "signals", "datasets", "store", "engines"),
    *("commands/prepare.py", "commands/inspect.py", "commands/convert_ecg.py"),
    "commands/verify.py",
)


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def num_lines(node):
    return node.end_lineno - node.lineno + 1


def is_table(node):
    """A constant written out: a name and a literal, nothing that runs."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    return isinstance(node.value, ast.Dict | ast.Tuple | ast.List | ast.Set)


def docstring_lines(node):
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return num_lines(node.body[0]) if has_docstring else 0


def functions():
    """(where, node) of every function."""
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                yield f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}", node


def test_files_are_short_without_their_tables():
    length = {}
    for path in FILES:
        tables = sum(num_lines(node) for node in tree(path).body if is_table(node))
        length[str(path.relative_to(SOURCE))] = (
            len(path.read_text(encoding="utf-8").splitlines()) - tables
        )
    assert {name: lines for name, lines in length.items() if lines > LARGEST_FILE} == {}


def test_functions_fit_on_a_screen_without_their_docstrings():
    length = {where: num_lines(node) - docstring_lines(node) for where, node in functions()}
    assert {where: lines for where, lines in length.items() if lines > LARGEST_FUNCTION} == {}


def test_constructors_take_few_arguments():
    count = {
        where: len([*node.args.args, *node.args.kwonlyargs]) - 1
        for where, node in functions()
        if node.name == "__init__"
    }
    assert {where: number for where, number in count.items() if number > MOST_ARGUMENTS} == {}


def test_modules_are_named_for_what_they_hold():
    parts = {part for path in FILES for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert FORBIDDEN_NAMES & parts == set()


def test_input_is_never_checked_with_assert():
    nodes = [(path, node) for path in FILES for node in ast.walk(tree(path))]
    found = [f"{path.name}:{node.lineno}" for path, node in nodes if isinstance(node, ast.Assert)]
    assert found == []


def parents():
    """Name of each class of ours -> names of its bases."""
    classes = {}
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                bases = [base for base in node.bases if isinstance(base, ast.Name | ast.Attribute)]
                names = [base.id if isinstance(base, ast.Name) else base.attr for base in bases]
                classes.setdefault(node.name, set()).update(names)
    return classes


def test_classes_are_at_most_two_deep():
    ours = parents()

    def depth(name):
        return 1 + max((depth(base) for base in ours[name] if base in ours), default=0)

    assert {name: depth(name) for name in ours if depth(name) > DEEPEST_CLASS} == {}


def module_name(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def leads_to(path, modules):
    """Modules that a file imports, by name with `import_module`, too; the file where a name is."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in modules else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (each.value for each in node.args if isinstance(each, ast.Constant))


def test_no_files_import_each_other_in_a_circle():
    modules = {module_name(path): path for path in FILES}
    arrows = {
        name: {found for found in leads_to(path, modules) if found in modules} - {name}
        for name, path in modules.items()
    }
    assert list(TopologicalSorter(arrows).static_order())  # raises CycleError, with the circle


def imports(path):
    """Modules of anylead that a file names in imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.removeprefix("anylead.") for name in found if name.startswith("anylead.")}


@pytest.mark.parametrize("room", SHARED)
def test_entries_of_a_table_do_not_import_each_other(room):
    modules = {path.stem for path in (SOURCE / room).glob("*.py")} - {"__init__"}
    assert SHARED[room] <= modules, "a shared module is gone: take it out of this test"
    entries = modules - SHARED[room]
    crossing = {
        (f"{room}.{entry}", name)
        for entry in entries
        for name in imports(SOURCE / room / f"{entry}.py")
        if name.removeprefix(f"{room}.") in entries and name.startswith(f"{room}.")
    }
    written = {pair for pair in crossing if pair[0] == f"{pair[1]}_write"}  # a reader's writer
    assert crossing - written - PAIRS == set()


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_lower_half_needs_no_torch():
    rooms = [SOURCE / name for name in LOWER_HALF]
    names = [
        ".".join(("anylead", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for path in FILES
        if any(path.is_relative_to(room) for room in rooms)
    ]
    code = f"import sys\nsys.modules['torch'] = None\nimport {', '.join(names)}"
    assert run_python(code).stderr == ""


def test_help_is_there_without_torch_and_every_verb_has_a_module():
    without_torch = "import sys; sys.modules['torch'] = None"
    told = run_python(f"{without_torch}; from anylead.commands import cli; cli.main(['--help'])")
    assert told.stderr == "" and "usage: anylead VERB" in told.stdout


def test_every_verb_of_the_command_line_has_its_file():
    from anylead.commands.cli import VERBS

    files = {path.stem for path in (SOURCE / "commands").glob("*.py")}
    assert {verb.module for verb in VERBS.values()} - files == set()
