"""`anylead completion SHELL`: a script that completes commands, options and their values.

Options are read from the recipes, which takes some seconds once; the script itself needs no Python.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from anylead.commands.arguments import SHORT
from anylead.commands.choices import values_of
from anylead.commands.cli import VERBS
from anylead.commands.options import Option, options

EXAMPLES = (
    "anylead completion bash > ~/.local/share/bash-completion/completions/anylead",
    "anylead completion zsh >> ~/.zshrc",
    "anylead completion fish > ~/.config/fish/completions/anylead.fish",
)
_COMMON = ("--config", "--help", "--print_config", "--threads")


@dataclass(frozen=True)
class Recipe:
    """Which shell.

    Attributes:
        shell: "bash", "zsh" or "fish".
    """

    shell: Literal["bash", "zsh", "fish"] = "bash"


def run(recipe: Recipe) -> None:
    """Print the script."""
    words = {
        name: options(import_module(f"anylead.commands.{verb.module}").Recipe)
        for name, verb in VERBS.items()
    }
    print(script(recipe.shell, words))


def script(shell: str, words: dict[str, list[Option]]) -> str:
    """The completion script of a shell.

    Args:
        shell: "bash", "zsh" or "fish".
        words: verb -> its options.
    """
    if shell == "fish":
        return _fish(words)
    # zsh runs bash's completion functions once it is told to.
    head = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return head + _bash(words)


def _bash(words: dict[str, list[Option]]) -> str:
    names = " ".join(sorted({*SHORT, *_COMMON}))
    verbs = "\n".join(
        f"        {verb}) options='{names} {' '.join(f'--{each.name}' for each in of_verb)}'"
        f" first='{' '.join(_first_values(verb, of_verb))}';;"
        for verb, of_verb in words.items()
    )
    values = "\n".join(
        f"        {verb}:--{each.name}) choices='{' '.join(values_of(verb, each))}';;"
        for verb, of_verb in words.items()
        for each in of_verb
        if values_of(verb, each)
    )
    return f"""_anylead() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" verb="${{COMP_WORDS[1]}}"
    local options='' choices='' first='' before="${{COMP_WORDS[COMP_CWORD-1]}}"
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
    if [ "$COMP_CWORD" -eq 2 ] && [ -n "$first" ] && [ "${{word#-}}" = "$word" ]; then
        choices="$first"
    fi
    if [ -n "$choices" ]; then
        COMPREPLY=($(compgen -W "$choices" -- "$word"))
    elif [ "${{word#-}}" != "$word" ]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _anylead anylead"""


def _first_values(verb: str, of_verb: list[Option]) -> tuple[str, ...]:
    """Values of what may stand first without a name."""
    place = VERBS[verb].positional[:1]
    return next((values_of(verb, each) for each in of_verb if (each.name,) == place), ())


def _fish(words: dict[str, list[Option]]) -> str:
    lines = ["complete -c anylead -n __fish_use_subcommand -l version -d 'print the version'"]
    for verb, of_verb in words.items():
        lines.append(
            f"complete -c anylead -f -n __fish_use_subcommand -a {verb}"
            f" -d {_quoted(VERBS[verb].help)}"
        )
        here = f"complete -c anylead -n '__fish_seen_subcommand_from {verb}'"
        if first := _first_values(verb, of_verb):
            lines.append(f"{here} -a '{' '.join(first)}'")
        lines += [f"{here} -l {name.removeprefix('--')}" for name in _COMMON]
        for each in of_verb:
            values = values_of(verb, each)
            takes = f" -x -a '{' '.join(values)}'" if values else " -r"
            if each.is_flag:
                takes = ""
            lines.append(f"{here} -l {each.name}{takes} -d {_quoted(_short(each.help))}")
    return "\n".join(lines)


def _short(text: str) -> str:
    """The first part of a help text."""
    head = text.split("; ")[0].split(": ")[0]
    return head if len(head) <= 60 else f"{head[:57]}..."


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
