"""The options of a command: the fields of its recipe and of the recipe's parts, as data."""

import re
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anylead.errors import RecipeError


@dataclass(frozen=True)
class Option:
    """A field of a recipe.

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
        """The values it may have, where its type lists them."""
        values = []
        for part in (self.type, *get_args(self.type)):
            if get_origin(part) is Literal:
                values += [str(value) for value in get_args(part)]
        return tuple(values)

    @property
    def is_flag(self) -> bool:
        """Whether its name alone turns it on."""
        return self.type is bool

    @property
    def has_keys(self) -> bool:
        """Whether a dot and a key may follow its name, as in options.labels."""
        return any(
            part is Any or is_mapping(part) or is_dataclass(part) for part in members(self.type)
        )


def options(recipe_type: type[Any]) -> list[Option]:
    """The options of a recipe, those of its parts included, in order."""
    return list(_options(recipe_type, MISSING, ""))


def _options(recipe_type: type[Any], whole: Any, prefix: str) -> Iterator[Option]:
    """Options of a recipe or a part; `whole` is the part's default where it has one."""
    kinds = get_type_hints(recipe_type)
    said = attributes(recipe_type.__doc__ or "")
    for item in fields(recipe_type):
        kind = kinds[item.name]
        default = default_of(item) if whole is MISSING else getattr(whole, item.name)
        if is_dataclass(kind) and isinstance(kind, type):
            yield from _options(kind, default, f"{prefix}{item.name}.")
        else:
            yield Option(prefix + item.name, kind, default, said.get(item.name, ""))


def refuse_ignored(recipe: Any, what: str, ignored: Iterable[str]) -> None:
    """Refuse what was chosen of options, or parts with options, that would change nothing."""
    for option in options(type(recipe)):
        is_chosen = attrgetter(option.name)(recipe) != option.default
        if is_chosen and {option.name, option.name.partition(".")[0]} & set(ignored):
            raise RecipeError(f"{option.name}: means nothing to {what}; leave it out")


def default_of(item: Field[Any]) -> Any:
    """Of a field; `MISSING` where there is none."""
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


def members(kind: Any) -> tuple[Any, ...]:
    """The types of a union, or the type alone."""
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def is_mapping(kind: Any) -> bool:
    """Whether a type is a mapping of names that the recipe does not fix."""
    return get_origin(kind) in (dict, Mapping)


def in_words(kind: Any) -> str:
    """A type in words that a user of the command line knows."""
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    names |= {Path: "a path", type(None): "null", Any: "any value"}
    if kind in names:
        return names[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(map(str, arguments))
    if origin is list or (origin is tuple and arguments[-1] is Ellipsis):
        return f"a list of {_many(arguments[0])}"
    if origin is tuple:
        return f"a list of {len(arguments)}: {', '.join(in_words(each) for each in arguments)}"
    if is_mapping(kind):
        return "a mapping such as {name: value}"
    if is_dataclass(kind):
        return f"a mapping with {', '.join(item.name for item in fields(kind))}"
    return " or ".join(in_words(each) for each in arguments) if arguments else str(kind)


def _many(kind: Any) -> str:
    several = {int: "integers", float: "numbers", str: "texts", Path: "paths"}
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    if is_mapping(kind) or is_dataclass(kind):
        return "mappings"
    return several.get(kind, in_words(kind))
