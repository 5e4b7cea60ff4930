"""The words of a command line -> values of a recipe, in the order in which they are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anylead.commands.options import Option, in_words, options
from anylead.commands.recipe_files import from_text, read_yaml
from anylead.commands.recipes import flatten
from anylead.errors import RecipeError, did_you_mean

# Short spellings of fields, the same for every verb.
SHORT = {"-o": "--out", "-h": "--help"}
RECIPE_ENDINGS = (".yaml", ".yml")
_TRUTHS = ("true", "false", "yes", "no", "on", "off", "1", "0")
_OFF = "(off)"


@dataclass
class Given:
    """What a command line says.

    Attributes:
        values: by the whole names of options.
        told: whole name -> as the user wrote it, for errors.
    """

    values: dict[str, Any] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)


class _Words:
    """Words that are left to be read."""

    def __init__(self, words: Sequence[str]):
        self._words = list(words)

    def __bool__(self) -> bool:
        return bool(self._words)

    def take(self) -> str:
        return self._words.pop(0)

    @property
    def next(self) -> str | None:
        """The next word where it is a value; -1 is one, --name and -o are none."""
        if not self._words or self._words[0].startswith("--") or self._words[0] in SHORT:
            return None
        return self._words[0]

    def value(self, option: str, wanted: str) -> str:
        """The value of an option.

        Raises:
            RecipeError: none follows.
        """
        if self.next is None:
            raise RecipeError(f"{option} needs a value: {wanted}")
        return self.take()


def read_arguments(
    recipe_type: type[Any], positional: Sequence[str], words: Sequence[str]
) -> Given:
    """The values that the words of a command give.

    Args:
        recipe_type: of the command.
        positional: names of options that need not be named, in order; the last may end with "..."
            and takes all that follow, joined by commas.
        words: after the name of the command.

    Raises:
        RecipeError: an unknown option, or one without its value.
    """
    known = {option.name: option for option in options(recipe_type)}
    given, left, wanted = Given(), _Words(words), list(positional)
    while left:
        word = left.take()
        word = SHORT.get(word, word)
        if word == "--config" or word.startswith("--config="):
            _read_recipe(recipe_type, word.partition("=")[2] or left.value(word, "a path"), given)
        elif word.startswith("--"):
            _read_option(recipe_type, known, word, left, given)
        elif word.startswith("-") and len(word) > 1:
            raise RecipeError(
                f"{word}: no such option; they begin with -- (or are {', '.join(SHORT)})"
            )
        elif word.endswith(RECIPE_ENDINGS):
            _read_recipe(recipe_type, word, given)
        else:
            _read_positional(word, wanted, given)
    return given


def _read_recipe(recipe_type: type[Any], path: str, given: Given) -> None:
    found = flatten(recipe_type, read_yaml(Path(path)), f"{path}: ")
    given.values |= found
    given.told |= {name: f"{path}: {name}" for name in found}


def _read_positional(word: str, wanted: list[str], given: Given) -> None:
    if not wanted:
        raise RecipeError(f"{word!r}: one value too many; name options, such as --out {word}")
    name = wanted[0].removesuffix("...")
    if not wanted[0].endswith("..."):
        del wanted[0]
    elif name in given.values:
        word = f"{given.values[name]},{word}"
    given.values[name], given.told[name] = word, name.upper()


def _read_option(
    recipe_type: type[Any], known: Mapping[str, Option], word: str, left: _Words, given: Given
) -> None:
    spelled, equals, value = word.partition("=")
    name, key = find_option(known, spelled)
    if not name:
        _read_part(recipe_type, known, spelled, value if equals else None, left, given)
        return
    is_off = known[name].is_flag and key == _OFF
    if is_off and equals:
        raise RecipeError(f"{spelled}: takes no value")
    if known[name].is_flag and not equals:
        is_said = not is_off and (left.next or "").lower() in _TRUTHS
        value = left.take() if is_said else str(not is_off).lower()
    elif not equals:
        value = left.value(spelled, in_words(known[name].type))
    whole = f"{name}.{key}" if key and not is_off else name
    given.values[whole] = from_text(value, spelled) if whole != name else value
    given.told[whole] = spelled


def _read_part(
    recipe_type: type[Any],
    known: Mapping[str, Option],
    spelled: str,
    value: str | None,
    left: _Words,
    given: Given,
) -> None:
    """All of a part at once, such as --train '{epochs: 3}'."""
    part = _snake(spelled)
    if not any(name.startswith(f"{part}.") for name in known):
        raise RecipeError(f"{spelled}: no such option{suggestion(known, spelled)}")
    text = left.value(spelled, "a mapping such as {name: value}") if value is None else value
    found = flatten(recipe_type, {part: from_text(text, spelled)}, "--")
    given.values |= found
    given.told |= {name: f"--{name}" for name in found}


def find_option(known: Mapping[str, Option], spelled: str) -> tuple[str, str]:
    """The option that a word like --train.batch-size names, and what follows its name.

    The last part of a name will do where no other option ends so: --batch_size. A word like
    --no-resume turns a flag off.

    Returns:
        Its whole name, and a key in its value ("labels" of --options.labels) or `_OFF`; two empty
        texts where there is no such option.
    """
    name = _snake(spelled)
    if found := _by_end(known, name):
        return found, ""
    head, dot, last = name.rpartition(".")
    if last.startswith("no_"):
        found = _by_end(known, head + dot + last.removeprefix("no_"))
        if found and known[found].is_flag:
            return found, _OFF
    for option in known.values():
        if option.has_keys and name.startswith(f"{option.name}."):
            key = spelled.removeprefix("--")[len(option.name) + 1 :]
            # Options of a dataset are keywords of Python.
            return option.name, _snake(key) if option.name == "options" else key
    return "", ""


def suggestion(known: Mapping[str, Option], spelled: str) -> str:
    """The option that may be meant, as the end of an error."""
    name = _snake(spelled)
    ends = {each.rpartition(".")[2]: each for each in known}
    hint = did_you_mean(name, known) or did_you_mean(name.rpartition(".")[2], ends)
    word = hint.removeprefix("; did you mean ").removesuffix("?")
    return f"; did you mean --{ends.get(word, word)}?" if hint else "; --help all lists them"


def _by_end(known: Mapping[str, Option], name: str) -> str:
    if name in known:
        return name
    ends = [each for each in known if each.endswith(f".{name}")]
    return ends[0] if len(ends) == 1 else ""


def _snake(spelled: str) -> str:
    return spelled.removeprefix("--").replace("-", "_")
