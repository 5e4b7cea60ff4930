"""Values -> a recipe: the fields of dataclasses from YAML files, the command line or keywords.

Every mistake is told with the whole name of its field, the value and what is wanted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from anylead.commands.options import attributes, default_of, in_words, is_mapping, members
from anylead.commands.recipe_files import from_text
from anylead.errors import RecipeError, did_you_mean

RecipeType = TypeVar("RecipeType")

_WORDS = {"true": True, "yes": True, "on": True, "1": True}
_WORDS |= {"false": False, "no": False, "off": False, "0": False}
_NULL = ("null", "none", "")


def flatten(recipe_type: type[Any], values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Nested values -> values by the whole names of options.

    Args:
        recipe_type: whose options they are.
        values: by name; those of a part as a mapping, or by names with dots.
        where: said before a name in errors.

    Raises:
        RecipeError: an unknown name, or a part that is no mapping.
    """
    found: dict[str, Any] = {}
    _flatten(recipe_type, values, "", where, found)
    return found


def _flatten(
    recipe_type: type[Any],
    values: Mapping[str, Any],
    prefix: str,
    where: str,
    found: dict[str, Any],
) -> None:
    kinds = get_type_hints(recipe_type)
    names = {item.name for item in fields(recipe_type)}
    for name, value in values.items():
        first, _, rest = str(name).partition(".")
        if first not in names:
            hint = did_you_mean(str(name), names) or f"; known are {', '.join(sorted(names))}"
            raise RecipeError(f"{where}{prefix}{name}: no such key{hint}")
        kind = kinds[first]
        if not (is_dataclass(kind) and isinstance(kind, type)):
            found[prefix + str(name)] = value
            continue
        inner = {rest: value} if rest else value
        if is_dataclass(inner) and isinstance(inner, kind):
            inner = {item.name: getattr(inner, item.name) for item in fields(inner)}
        if not isinstance(inner, Mapping):
            raise RecipeError(
                f"{where}{prefix}{name}: found {shown(value)}, want its own keys:"
                f" {', '.join(item.name for item in fields(kind))}"
            )
        _flatten(kind, inner, f"{prefix}{first}.", where, found)


def build(
    recipe_type: type[RecipeType],
    values: Mapping[str, Any],
    told: Mapping[str, str] | None = None,
    where: str = "",
) -> RecipeType:
    """A recipe from plain values.

    Args:
        recipe_type: a dataclass.
        values: as `flatten` takes them.
        told: whole name -> how it is named in errors, such as "--train.epochs".
        where: said before every other name.

    Raises:
        RecipeError: an unknown name, a value of the wrong type, or one that must be given.
    """
    flat = flatten(recipe_type, values, where)
    named = {name: where + name for name in flat} | dict(told or {})
    made: RecipeType = _build(recipe_type, flat, named, "", where, MISSING)
    return made


def _build(
    recipe_type: type[Any],
    flat: Mapping[str, Any],
    named: Mapping[str, str],
    prefix: str,
    where: str,
    whole: Any,
) -> Any:
    kinds = get_type_hints(recipe_type)
    made = {}
    for item in fields(recipe_type):
        name, kind = prefix + item.name, kinds[item.name]
        default = default_of(item) if whole is MISSING else getattr(whole, item.name)
        if is_dataclass(kind) and isinstance(kind, type):
            made[item.name] = _build(kind, flat, named, f"{name}.", where, default)
            continue
        keys = {key: value for key, value in flat.items() if key.startswith(f"{name}.")}
        if name in flat:
            made[item.name] = convert(kind, flat[name], named[name])
        elif default is not MISSING:
            made[item.name] = default
        elif not keys:
            said = attributes(recipe_type.__doc__ or "").get(item.name, in_words(kind))
            told = named.get(name, where + name)
            raise RecipeError(f"{told} must be given: {said.rstrip('.')}")
        for key, value in keys.items():
            made[item.name] = _with_key(
                kind, made.get(item.name), key.removeprefix(f"{name}."), value, named[key]
            )
    return recipe_type(**made)


def _with_key(kind: Any, whole: Any, key: str, value: Any, name: str) -> Any:
    """A mapping, or a part that may be null, with one of its keys set."""
    for part in members(kind):
        if is_dataclass(part) and isinstance(part, type):
            before = {} if whole is None else asdict(whole)
            return build(part, {**before, key: value}, where=f"{name.removesuffix(key)}")
    if not any(part is Any or is_mapping(part) for part in members(kind)):
        raise RecipeError(f"{name}: {name.removesuffix(f'.{key}')} has no keys")
    first, _, rest = key.partition(".")
    changed = dict(whole or {})
    changed[first] = (
        _with_key(dict[str, Any], changed.get(first), rest, value, name) if rest else value
    )
    return convert(kind, changed, name)


def convert(kind: Any, value: Any, name: str) -> Any:
    """A value in the type of its field.

    Args:
        kind: as annotated.
        value: from YAML, the command line (text) or Python.
        name: of the field, for errors.

    Raises:
        RecipeError: it is of another type.
    """
    kinds = members(kind)
    if type(None) in kinds and (value is None or str(value).lower() in _NULL):
        return None
    rest = [each for each in kinds if each is not type(None)]
    for each in rest[:-1]:
        try:
            return _convert(each, value, name)
        except RecipeError:
            continue
    try:
        return _convert(rest[-1], value, name)
    except RecipeError as error:
        raise (error if len(rest) == 1 else _wrong(kind, value, name)) from None


def _convert(kind: Any, value: Any, name: str) -> Any:
    """As `convert`, to a type that is no union."""
    origin = get_origin(kind)
    if origin is Literal:
        return _one_of(get_args(kind), value, name)
    if kind in _SCALARS:
        try:
            return _SCALARS[kind](value)
        except (ValueError, TypeError, OverflowError):
            raise _wrong(kind, value, name) from None
    if kind is Any:
        return value
    if isinstance(value, str):
        value = from_text(value, name)
    if origin in (list, tuple):
        return _sequence(kind, value, name)
    if isinstance(kind, type) and isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise _wrong(kind, value, name)
    if is_mapping(kind):
        of_value = get_args(kind)[1]
        return {key: convert(of_value, each, f"{name}.{key}") for key, each in value.items()}
    return build(kind, value, where=f"{name}.")


def _sequence(kind: Any, value: Any, name: str) -> Any:
    """A list or tuple; text may name its members with commas between them."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        value = [value]
    wanted = get_args(kind)
    if get_origin(kind) is list or wanted[-1] is Ellipsis:
        wanted = (wanted[0],) * len(value)
    if len(wanted) != len(value):
        raise _wrong(kind, value, name)
    made = [
        convert(each, v, f"{name}[{i}]")
        for i, (each, v) in enumerate(zip(wanted, value, strict=True))
    ]
    return made if get_origin(kind) is list else tuple(made)


def _one_of(known: tuple[Any, ...], value: Any, name: str) -> Any:
    for each in known:
        if str(value) == str(each):
            return each
    words = [str(each) for each in known]
    raise RecipeError(
        f"{name}: found {shown(value)}, want {' or '.join(words)}{did_you_mean(str(value), words)}"
    )


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise ValueError
    try:
        return int(str(value))
    except ValueError:  # 1e3 is one, too
        number = float(value)
    if number != int(number):
        raise ValueError
    return int(number)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Path)):
        raise ValueError
    return str(value)


def _path(value: Any) -> Path:
    return Path(_text(value))


_SCALARS: dict[Any, Callable[[Any], Any]] = {
    int: _integer,
    float: _number,
    bool: _truth,
    str: _text,
    Path: _path,
}


def _wrong(kind: Any, value: Any, name: str) -> RecipeError:
    return RecipeError(f"{name}: found {shown(value)}, want {in_words(kind)}")


def shown(value: Any) -> str:
    """A value, shortened, as it stands in an error."""
    text = repr(str(value) if isinstance(value, Path) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
