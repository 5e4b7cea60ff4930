"""Code blocks of the pages, and how their shell lines run inside this process at tiny size."""

import contextlib
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from anylead.commands import cli
from anylead.engines import threads

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# Appended to a command as the page shows it: the same work, less of it. Later options win.
TINY = {
    "prepare": ["--num_workers", "1"],
    "pretrain": ["--encoder.size", "tiny", "--train.epochs", "1", "--train.batch_size", "8"],
    "finetune": ["--train.epochs", "1", "--train.batch_size", "16"],
    "evaluate": ["--num_resamples", "10"],
    "embed": ["--num_workers", "1"],
    "demo": ["--num_patients", "20", "--pretrain_epochs", "1", "--finetune_epochs", "1"],
}
TINY["pretrain"] += ["--train.steps", "2", "--train.is_quiet", "true"]
TINY["finetune"] += ["--train.is_quiet", "true", "--labels.fraction", "1"]
NUM_PATIENTS = 20


@dataclass(frozen=True)
class Block:
    """A fenced block; `skip` is the reason why it does not run, `title` a file it shows."""

    language: str
    title: str
    text: str
    skip: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page; `<!-- skip: reason -->` before one keeps it from running."""
    pattern = (
        r"(?:<!-- skip: ([^\n]+?) -->\n+)?"
        r'^```(\w*)(?: title="([^\n]+?)")?\n(.*?)^```$'
    )
    found = re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [Block(language, title, text, skip) for skip, language, title, text in found]


def statements(text: str) -> list[str]:
    """The commands of a shell block, each with its continued lines and its here-document."""
    found: list[str] = []
    end = ""
    for line in text.splitlines():
        line = line.removeprefix("$ ")
        if end:
            found[-1] += f"\n{line}"
            end = "" if line == end else end
        elif found and found[-1].endswith("\\"):
            found[-1] = found[-1][:-1] + line.strip()
        elif line.strip() and not line.startswith("#"):
            found.append(line)
            here = re.search(r"<<'(\w+)'", line)
            end = here[1] if here else ""
    return found


def arguments_of(statement: str) -> list[str] | None:
    """What follows `anylead`, or None where the statement is another command."""
    words = shlex.split(statement, comments=True)
    is_plain = words[:1] == ["anylead"] and not {"|", "&&", ";"} & set(words)
    return words[1:] if is_plain else None


def run(statement: str) -> None:
    """Run one command in the current folder; a failure raises."""
    arguments = arguments_of(statement)
    if arguments is None:
        script = ["bash", "-euo", "pipefail", "-c", statement]
        told = subprocess.run(
            script, capture_output=True, text=True, env=with_python(), check=False
        )
        assert told.returncode == 0, f"{statement}\n{told.stderr}"
        return
    if ">" in arguments:
        arguments, (_, target) = arguments[:-2], arguments[-2:]
        with Path(target).open("w") as file, contextlib.redirect_stdout(file):
            assert cli.main(arguments) == 0, statement
        return
    assert cli.main([*arguments, *tiny(arguments)]) == 0, statement


def tiny(arguments: list[str]) -> list[str]:
    """Options that make a command small."""
    if not arguments or arguments[0].startswith("-") or "--help" in arguments:
        return []
    added = TINY.get(arguments[0], [])
    if arguments[0] == "finetune" and "--model.checkpoint" not in arguments:
        added = [*added, "--model.encoder.size", "tiny"]
    if arguments[:2] == ["prepare", "synthetic"]:
        added = [*added, "--options.num_patients", str(NUM_PATIENTS)]
    return added


def check_options(statement: str) -> None:
    """Read the options of a command that cannot run here; a wrong one raises."""
    words = shlex.split(statement, comments=True)
    if "anylead" not in words[:-1]:
        return
    name, *given = words[words.index("anylead") + 1 :]
    recipe = import_module(f"anylead.commands.{cli.VERBS[name].module}").Recipe
    numbers = [re.sub(r"\$\w+", "1", word) for word in given]  # of a batch system
    given, _ = threads.take_option(numbers)  # goes with every command
    cli.parse(name, recipe, [word for word in given if not word.endswith((".yaml", ".yml"))])


def with_python() -> dict[str, str]:
    """The environment, with this Python first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src")}
