"""What `--help` prints: first what a person needs, with examples, then on request the rest."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from anylead.commands.choices import values_of
from anylead.commands.options import Option, members, options

# So many options are shown at once where a command does not choose.
_FEW = 14
_INDENT = 26


def command_help(
    name: str, module: Any, positional: Sequence[str], is_all: bool, width: int | None = None
) -> str:
    """The help of a command.

    Args:
        name: of the command.
        module: with `Recipe`, and where they are chosen `FIRST`, names of the options on the first
            floor, and `EXAMPLES`, command lines.
        positional: names of options that need not be named; "..." at the end means several.
        is_all: show every option.
        width: in characters; None takes the terminal's.
    """
    width = width or min(shutil.get_terminal_size().columns, 100)
    found = {option.name: option for option in options(module.Recipe)}
    placed = [each.removesuffix("...") for each in positional]
    first = first_floor(module, placed)
    rest = [each for each in found.values() if each.name not in (*first, *placed)]
    lines = _wrapped([f"usage: anylead {name} {_usage(found, positional)}"], width)
    lines += [""]
    lines += _wrapped(_paragraphs(module.__doc__ or "", name), width)
    if placed:
        lines += ["", "values:"]
        for each in placed:
            lines += _entry(name, each.upper(), found[each], width)
    if first:
        lines += ["", "options:"]
        for each in first:
            lines += _entry(name, _spelling(found[each]), found[each], width)
    if is_all and rest:
        lines += _rest(name, rest, width)
    examples = getattr(module, "EXAMPLES", ())
    if examples:
        lines += ["", "examples:", *(f"  {each}" for each in examples)]
    if is_all:
        lines += ["", *_wrapped([_SPELLINGS], width)]
    elif rest:
        lines += ["", f"{len(rest)} more options: anylead {name} --help all"]
    return "\n".join(lines)


_SPELLINGS = (
    "Every option is a key of a recipe: NAME.yaml among the values is read first, --print_config"
    " writes one. The last part of a name will do where it is clear (--epochs), dashes are as good"
    " as underscores, and --no-NAME turns a flag off."
)


def first_floor(module: Any, placed: Sequence[str]) -> list[str]:
    """Names of the options that are shown first."""
    names = [option.name for option in options(module.Recipe) if option.name not in placed]
    return list(getattr(module, "FIRST", names if len(names) <= _FEW else ()))


def _usage(found: Mapping[str, Option], positional: Sequence[str]) -> str:
    words = []
    for each in positional:
        name = each.removesuffix("...")
        word = name.upper() + (" ..." if each.endswith("...") else "")
        words.append(word if found[name].default is MISSING else f"[{word}]")
    placed = [each.removesuffix("...") for each in positional]
    for option in found.values():
        if option.default is MISSING and option.name not in placed:
            words.append(_spelling(option))
    return " ".join([*words, "[recipe.yaml] [--option value ...]"])


def _spelling(option: Option) -> str:
    return f"--{option.name} {value_word(option)}".rstrip()


def value_word(option: Option) -> str:
    """What stands for the value of an option."""
    (kind, *others) = [each for each in members(option.type) if each is not type(None)]
    if option.is_flag:
        return ""
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    words = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}
    if get_origin(kind) in (list, tuple):
        return "LIST"
    return "{...}" if others else words.get(kind, "{...}")


def _entry(verb: str, spelling: str, option: Option, width: int) -> list[str]:
    text = option.help
    known = () if option.choices or option.is_flag else values_of(verb, option)
    if known:
        text = f"{text} Known: {', '.join(known)}."
    if option.default not in (MISSING, None, False, "", (), [], {}):
        shown = option.default
        shown = ",".join(map(str, shown)) if isinstance(shown, (list, tuple)) else shown
        text = f"{text} [{shown}]"
    lines = _wrapped([text], width, " " * _INDENT)
    if len(spelling) + 4 > _INDENT:
        return [f"  {spelling}", *lines]
    return [
        f"  {spelling:<{_INDENT - 2}}{lines[0].strip()}" if lines else f"  {spelling}",
        *lines[1:],
    ]


def _rest(verb: str, rest: Sequence[Option], width: int) -> list[str]:
    lines: list[str] = []
    part = None
    for option in sorted(rest, key=lambda each: "." in each.name):
        head = option.name.rpartition(".")[0]
        if head != part:
            lines += ["", f"{head or 'more'}:"]
            part = head
        lines += _entry(verb, _spelling(option), option, width)
    return lines


def _paragraphs(docstring: str, name: str) -> list[str]:
    """A docstring without the name of the command, which stands above it."""
    text = docstring.strip()
    for begin in (f"anylead {name}: ", f"`anylead {name}`: "):
        text = text.removeprefix(begin)
    return [" ".join(part.split()) for part in text.split("\n\n")]


def _wrapped(paragraphs: Sequence[str], width: int, indent: str = "") -> list[str]:
    lines: list[str] = []
    for paragraph in paragraphs:
        lines += [""] if lines else []
        lines += textwrap.wrap(
            paragraph,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines
