"""docs/cli.md and docs/api.md, from the docstrings and types of the package.

PYTHONPATH=src:tests python -m reference_pages
"""

import ast
import inspect
import re
import textwrap
from dataclasses import MISSING
from importlib import import_module
from pathlib import Path
from typing import Any

from anylead.commands.arguments import SHORT
from anylead.commands.cli import VERBS, usage
from anylead.commands.help import first_floor
from anylead.commands.options import Option, in_words, options

DOCS = Path(__file__).resolve().parents[1] / "docs"
CLI, API = DOCS / "cli.md", DOCS / "api.md"
COMMAND = "`PYTHONPATH=src:tests python -m reference_pages`"

# Module -> what a user of Python calls there, in the order of the data flow.
PUBLIC: dict[str, tuple[str, ...]] = {
    "anylead.commands.api": (
        *("read", "prepare", "pretrain", "finetune", "evaluate", "embed", "predict"),
        "list_models",
    ),
    "anylead.inference.model": ("load", "Model"),
    "anylead.inference.answer": ("Answer",),
    "anylead.inference.delineation": ("Delineation",),
    "anylead.inference.about": ("About",),
    "anylead.inference.named": ("NamedModel",),
    "anylead.inference.estimators": (),
    "anylead.records": ("Record", "Mark"),
    "anylead.leads": (),
    "anylead.formats": ("read", "find_format", "Reader"),
    "anylead.commands.convert_ecg": ("run", "Recipe"),
    "anylead.signals": ("PreprocessConfig", "preprocess", "Prepared"),
    "anylead.datasets": ("corpus", "records", "Corpus"),
    "anylead.commands.prepare": ("run",),
    "anylead.store": ("Store", "Manifest"),
    "anylead.loading.dataset": ("RecordingDataset",),
    "anylead.objective": ("Batch", "Step", "Objective"),
    "anylead.randomness": (),
    "anylead.augment": ("compose",),
    "anylead.methods": ("Method", "Pretraining", "find_method", "combine"),
    "anylead.tasks": (
        "Task",
        "TaskParts",
        "TaskSetup",
        "LinearHead",
        "Criterion",
        "Identification",
    ),
    "anylead.models": ("Encoder", "EncoderConfig", "build_encoder"),
    "anylead.models.resnet1d": ("ResNet1d",),
    "anylead.training.loop": ("train", "Taken"),
    "anylead.commands.pretrain": ("run", "build"),
    "anylead.commands.finetune": ("run", "build"),
    "anylead.commands.evaluate": ("run",),
    "anylead.metrics.classification": (),
    "anylead.metrics.regression": (),
    "anylead.metrics.cinc_score": (),
    "anylead.metrics.bootstrap": (),
    "anylead.metrics.identification": (),
    "anylead.checkpoint": ("Checkpoint", "load_checkpoint", "save_checkpoint"),
    "anylead.pictures": (),
    "anylead.errors": (),
}


def cli_page() -> str:
    """Every verb with its options."""
    parts = [
        "# Commands\n",
        f"This page is made by {COMMAND} from the recipes; a test keeps it up to date.\n",
        f"```text\n{usage()}\n```\n",
        "Options are the fields of the verb's recipe, a dot for each part; the last part of a name",
        "will do where it is clear (`--epochs` is `--train.epochs`), dashes are as good as",
        "underscores, `--no-NAME` turns a flag off. A recipe file may stand among the values,",
        "several may follow each other, and what comes later wins. `--print_config` writes the",
        "recipe of a command line instead of running it. Short spellings:",
        f"{', '.join(f'`{short}` = `{full}`' for short, full in SHORT.items())}.",
        "`--help` shows the options in bold, `--help all` the others, too. A user's mistake ends",
        "with one line and exit status 2, Ctrl-C with one line and 130.\n",
    ]
    for name, verb in VERBS.items():
        module = import_module(f"anylead.commands.{verb.module}")
        examples = getattr(module, "EXAMPLES", ())
        parts += [f"## anylead {name}\n", f"{text_of(module)}\n"]
        parts += ["```text", *examples, "```\n"]
        found = options(module.Recipe)
        placed = [each.removesuffix("...") for each in verb.positional]
        first = {*first_floor(module, placed), *placed}
        if found:
            parts += ["| option | values | default | |", "|---|---|---|---|"]
            parts += [row(option, option.name in first, option.name in placed) for option in found]
            parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def row(option: Option, is_first: bool, is_placed: bool) -> str:
    """A row of the table of options."""
    if option.default is MISSING:
        default = "must be given"
    else:
        plain = option.default
        default = f"`{plain if isinstance(plain, str | Path) else in_yaml(plain)}`"
    name = f"`{option.name.upper()}` or `--{option.name}`" if is_placed else f"`--{option.name}`"
    cells = (f"**{name}**" if is_first else name, in_words(option.type), default, option.help)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def in_yaml(value: Any) -> str:
    """As it is written in a recipe."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)


def api_page() -> str:
    """Every public module with its functions and classes."""
    parts = [
        "# Python\n",
        f"This page is made by {COMMAND} from docstrings and types; a test keeps it up to date.\n",
        "What `dir(anylead)` lists is in the first parts of this page, `anylead.load` and",
        "`anylead.Model` in `anylead.inference.model`. Every",
        "command is a module of `anylead.commands` with a `Recipe`, whose fields are those of",
        "[Commands](cli.md), and a `run`.\n",
    ]
    for name, chosen in PUBLIC.items():
        module = import_module(name)
        parts += [f"## {name}\n", f"{text_of(module)}\n"]
        for each in chosen or public_names(module):
            parts += entry(getattr(module, each), each)
    return "\n".join(parts).rstrip() + "\n"


def public_names(module: Any) -> list[str]:
    """What `__all__` lists, else what the file defines without a leading underscore."""
    if hasattr(module, "__all__"):
        names = list(module.__all__)
    else:
        names = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__
        ]
    values = {name: getattr(module, name) for name in names}
    return [name for name, value in values.items() if inspect.getdoc(value) and callable(value)]


def entry(value: Any, name: str, level: int = 3) -> list[str]:
    """Heading, signature and docstring of a function or class, and of its methods."""
    kind = "class " if inspect.isclass(value) else ""
    parts = [f"{'#' * level} {name}\n", f"```python\n{kind}{name}{signature(value)}\n```\n"]
    text = text_of(value)
    parts += [f"{text}\n"] if text else []
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if isinstance(function, classmethod | staticmethod):
                function = function.__func__
            is_public = inspect.isfunction(function) and not method.startswith("_")
            if is_public and inspect.getdoc(function):
                parts += entry(function, f"{name}.{method}", level + 1)
    return parts


def signature(value: Any) -> str:
    """The arguments as in the source, broken over lines where they are long."""
    node = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]
    if isinstance(node, ast.FunctionDef):
        shown = arguments(node)
        arrow = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    elif isinstance(node, ast.ClassDef):
        shown, arrow = fields_of(node), ""
    if not shown and not arrow:
        return ""
    if sum(map(len, shown)) + 2 * len(shown) + len(arrow) < 80:
        return f"({', '.join(shown)}){arrow}"
    return "(\n    " + ",\n    ".join(shown) + f",\n){arrow}"


def arguments(node: ast.FunctionDef) -> list[str]:
    """As they are written, without `self`."""
    given = node.args
    plain = [each for each in (*given.posonlyargs, *given.args) if each.arg not in ("self", "cls")]
    shown = [with_default(each, default) for each, default in from_behind(plain, given.defaults)]
    if given.vararg:
        shown.append(f"*{ast.unparse(given.vararg)}")
    elif given.kwonlyargs:
        shown.append("*")
    named = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    shown += [with_default(each, default) for each, default in named]
    return [*shown, f"**{ast.unparse(given.kwarg)}"] if given.kwarg else shown


def from_behind(plain: list[ast.arg], defaults: list[ast.expr]) -> list[tuple[Any, Any]]:
    """Arguments with their defaults, which belong to the last ones."""
    return list(zip(plain, [None] * (len(plain) - len(defaults)) + defaults, strict=True))


def with_default(each: ast.AST, default: ast.AST | None) -> str:
    """Like `name: type = default`."""
    return ast.unparse(each) + (f" = {ast.unparse(default)}" if default else "")


def fields_of(node: ast.ClassDef) -> list[str]:
    """Arguments of the constructor, which of a dataclass are its fields."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name == "__init__":
            return arguments(each)
    return [ast.unparse(each) for each in node.body if isinstance(each, ast.AnnAssign)]


def text_of(value: Any) -> str:
    """A docstring as Markdown: its sections become lists."""
    lines, is_list = [], False
    for line in (inspect.getdoc(value) or "").splitlines():
        section = re.fullmatch(r"(Args|Attributes|Returns|Raises):", line)
        begin = re.fullmatch(r" {4}([\w, *]+): (.*)", line)
        if section:
            is_list = True
            lines += [f"*{section[1]}*", ""]
        elif is_list and begin and not line.startswith(" " * 5):
            names = ", ".join(f"`{each.strip()}`" for each in begin[1].split(","))
            lines.append(f"- {names}: {begin[2]}")
        elif is_list and line.startswith("    "):
            is_first = lines[-1] == "" and not line.startswith(" " * 5)
            lines.append(f"{'- ' if is_first else '  '}{line.strip()}")
        else:
            is_list = is_list and not line.strip()
            lines.append(line)
    return "\n".join(lines).strip()


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    CLI.write_text(cli_page(), encoding="utf-8")
    API.write_text(api_page(), encoding="utf-8")
