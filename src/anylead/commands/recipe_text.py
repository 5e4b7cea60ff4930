"""What a recipe file may hold, found out before a parser makes objects of it."""

from pathlib import Path
from typing import Any

import yaml

from anylead.errors import FormatError, RecipeError
from anylead.formats.guard import check_regular

_LARGEST_FILE = 2**20
_MOST_NODES = 100_000


def check_recipe(path: Path) -> None:
    """Refuse a recipe that is no plain file, far too large, or names classes.

    Raises:
        RecipeError: one of these, or it is no YAML.
    """
    try:
        check_regular(path)
        size = path.stat().st_size
        if size > _LARGEST_FILE:
            raise RecipeError(f"{path}: {size} bytes, a recipe has at most {_LARGEST_FILE}")
        text = path.read_text(encoding="utf-8")
    except FormatError as error:
        raise RecipeError(str(error)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as a recipe ({error})") from None
    check_text(text, str(path))


def check_text(text: str, where: str) -> None:
    """Refuse aliases that would unfold without end, and keys that would import a module.

    Raises:
        RecipeError: one of these, or it is no YAML.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        num_nodes = 0 if node is None else _count(node, {}, where)
    except (yaml.YAMLError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RecipeError(f"{where}: no YAML ({first})") from None
    if num_nodes > _MOST_NODES:
        raise RecipeError(
            f"{where}: unfolds to more than {_MOST_NODES} values; write fewer aliases"
        )


def _count(node: Any, known: dict[int, int], where: str) -> int:
    """Nodes once all aliases are unfolded."""
    if id(node) in known:
        if known[id(node)] < 0:
            raise RecipeError(f"{where}: an alias stands within what it names")
        return known[id(node)]
    known[id(node)] = -1
    number = 1
    if isinstance(node, yaml.SequenceNode):
        number += sum(_count(item, known, where) for item in node.value)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value in ("class_path", "init_args", "__path__"):
                raise RecipeError(
                    f"{where}: line {key.start_mark.line + 1}: {key.value} names a class; a recipe"
                    " holds values only"
                )
            number += _count(key, known, where) + _count(value, known, where)
    known[id(node)] = number
    return number
