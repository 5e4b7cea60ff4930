"""src/anylead/__init__.pyi: types of `anylead.pretrain(...)` and the like, from the recipes.

PYTHONPATH=src:tests python -m api_stub
"""

import ast
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import anylead
from anylead.commands import api, cli

STUB = Path(anylead.__file__).with_suffix(".pyi")
COMMAND = "PYTHONPATH=src:tests python -m api_stub"
# Function -> fields of its command's recipe that its own arguments stand for.
FUNCTIONS: dict[str, set[str]] = {
    "embed": {"source"},
    "evaluate": {"runs"},
    "finetune": set(),
    "list_models": set(),
    "predict": {"source"},
    "prepare": {"dataset", "root"},
    "pretrain": set(),
    "read": set(),
}
# Fields that take an object in place of its path, or a path in either form.
OBJECTS = {
    "out": ["str", "Path", "None"],
    "store": ["Store", "str", "Path", "None"],
    "checkpoint": ["Model", "str", "Path", "None"],
}
IMPORTS = """\
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas

from anylead import leads as leads
from anylead.inference.model import Model as Model
from anylead.inference.model import load as load
from anylead.inference.named import NamedModel
from anylead.records import Record as Record
from anylead.store import Store as Store
"""


def stub() -> str:
    """The content of the file."""
    parts = {("anylead.commands.finetune", "ModelConfig")}
    functions = [function(name, taken, parts) for name, taken in FUNCTIONS.items()]
    needed = [f"from {module} import {name}" for module, name in sorted(parts)]
    head = f'"""Made by `{COMMAND}`; a test keeps it up to date."""'
    made = "\n".join([head, IMPORTS, *needed, "__version__: str", "", *functions, ""])
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix", "-q"], ["format", "-q"]):
        told = subprocess.run([*ruff, *command, "--stdin-filename", str(STUB), "-"], input=made,
                              capture_output=True, text=True, check=True)  # fmt: skip
        made = told.stdout
    return made


def function(name: str, taken: set[str], parts: set[tuple[str, str]]) -> str:
    """Its own arguments, then the fields of its command's recipe as keywords."""
    node = ast.parse(inspect.getsource(getattr(api, name))).body[0]
    assert isinstance(node, ast.FunctionDef)
    plain = node.args.args
    num_needed = len(plain) - len(node.args.defaults)
    shown = [
        f"{each.arg}: {text(each.annotation)}{' = ...' if i >= num_needed else ''}"
        for i, each in enumerate(plain)
    ]
    named = [f"{each.arg}: {text(each.annotation)} = ..." for each in node.args.kwonlyargs]
    if node.args.kwarg is not None:
        named += keywords(name, {*taken, *(a.arg for a in (*plain, *node.args.kwonlyargs))}, parts)
    lines = ",\n    ".join([*shown, *(["*", *named] if named else [])])
    inside = f"\n    {lines},\n" if lines else ""
    return f"def {name}({inside}) -> {text(node.returns)}: ..."


def keywords(verb: str, taken: set[str], parts: set[tuple[str, str]]) -> list[str]:
    """A keyword for each field of a recipe; a part may be a dict, a path text."""
    recipe = import_module(f"anylead.commands.{cli.VERBS[verb].module}").Recipe
    module = vars(import_module(recipe.__module__))
    written = {
        each.target.id: ast.unparse(each.annotation)
        for each in ast.parse(inspect.getsource(recipe)).body[0].body
        if isinstance(each, ast.AnnAssign)
    }
    shown = []
    for field in fields(recipe):
        if field.name in taken:
            continue
        kind = written[field.name]
        words = kind.split(" | ")
        for word in words:
            if is_dataclass(module.get(word)):
                parts.add((module[word].__module__, word))
                words.append("Mapping[str, Any]")
            elif word not in ("str", "Path", "None") and word in module:
                words[words.index(word)] = repr_of(module[word])
        words = OBJECTS.get(field.name, words)
        shown.append(f"{field.name}: {' | '.join(words)} = ...")
    return shown


def repr_of(kind: object) -> str:
    """An alias such as `Engine`, spelled out."""
    return str(kind).replace("typing.", "")


def text(node: ast.expr | None) -> str:
    """An annotation as it is written, quotes taken off."""
    return node.value if isinstance(node, ast.Constant) else ast.unparse(node)


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
