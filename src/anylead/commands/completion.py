"""`anylead completion bash|zsh`: a script that completes verbs and options.

Options are read from the recipes, which takes some seconds once; the script itself needs no Python.
"""

import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from importlib import import_module
from typing import Any, Literal, get_args, get_origin, get_type_hints

from anylead.commands.cli import SHORT, VERBS


@dataclass(frozen=True)
class Recipe:
    """Which shell.

    Attributes:
        shell: "bash" or "zsh".
    """

    shell: Literal["bash", "zsh"] = "bash"


@dataclass(frozen=True)
class Option:
    """A field of a recipe as it is written on the command line.

    Attributes:
        name: with dots, "train.epochs".
        type: as annotated.
        default: `MISSING` where it must be given.
        help: what the docstring says.
    """

    name: str
    type: Any
    default: Any
    help: str

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it may have, where they can be listed."""
        values = []
        for part in (self.type, *get_args(self.type)):
            if get_origin(part) is Literal:
                values += [str(value) for value in get_args(part)]
            elif part is bool:
                values += ["true", "false"]
        return tuple(values)


def run(recipe: Recipe) -> None:
    """Print the script."""
    words = {
        name: options(import_module(f"anylead.commands.{verb.module}").Recipe)
        for name, verb in VERBS.items()
    }
    print(script(recipe.shell, words))


def options(recipe_type: type[Any]) -> list[Option]:
    """The options of a recipe, those of its parts included, in order."""
    return list(_options(recipe_type, MISSING, ""))


def _options(recipe_type: type[Any], whole: Any, prefix: str) -> Iterator[Option]:
    """Options of a recipe or a part; `whole` is the part's default where it has one."""
    types = get_type_hints(recipe_type)
    said = attributes(recipe_type.__doc__ or "")
    for item in fields(recipe_type):
        kind = types[item.name]
        default = _default(item) if whole is MISSING else getattr(whole, item.name)
        if is_dataclass(kind) and isinstance(kind, type):
            yield from _options(kind, default, f"{prefix}{item.name}.")
        else:
            yield Option(prefix + item.name, kind, default, said.get(item.name, ""))


def _default(item: Field[Any]) -> Any:
    return item.default_factory() if item.default_factory is not MISSING else item.default


def attributes(docstring: str) -> dict[str, str]:
    """Name -> text of the section "Attributes:" of a docstring."""
    _, _, section = docstring.partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        begin = re.match(r" {8}(\w+): (.*)", line)
        if begin:
            name = begin[1]
            found[name] = begin[2]
        elif line.startswith(" " * 12) and name:
            found[name] += f" {line.strip()}"
        elif line.strip():
            break
    return found


def script(shell: str, words: dict[str, list[Option]]) -> str:
    """The completion script of a shell.

    Args:
        shell: "bash" or "zsh".
        words: verb -> its options.
    """
    # zsh runs bash's completion functions once it is told to.
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    names = " ".join(sorted({*SHORT, "--config", "--help", "--print_config"}))
    verbs = "\n".join(
        f"        {verb}) options='{names} {' '.join(f'--{each.name}' for each in of_verb)}';;"
        for verb, of_verb in words.items()
    )
    values = "\n".join(
        f"        {verb}:--{each.name}) choices='{' '.join(each.choices)}';;"
        for verb, of_verb in words.items()
        for each in of_verb
        if each.choices
    )
    return f"""{head}_anylead() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" verb="${{COMP_WORDS[1]}}" options='' choices=''
    local before="${{COMP_WORDS[COMP_CWORD-1]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W '{" ".join(words)} --help --version' -- "$word"))
        return
    fi
    case "$verb" in
{verbs}
    esac
    case "$verb:$before" in
{values}
    esac
    if [ -n "$choices" ]; then
        COMPREPLY=($(compgen -W "$choices" -- "$word"))
    elif [ "${{word#-}}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _anylead anylead"""
