"""Recipe files: YAML that is small, plain and safe to read, and recipes as such text."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from anylead.errors import FormatError, RecipeError
from anylead.formats.guard import check_regular

_MAX_BYTES, _MAX_VALUES = 1 << 20, 100_000  # aliases may make much of little


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-3 is a number, as YAML 1.2 and everyone but PyYAML has it; no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The keys and values of a mapping."""
        names = Counter(str(key.value) for key, _ in node.value if not key.tag.endswith(":merge"))
        (name, times), *_ = names.most_common(1) or [("", 0)]
        if times > 1:
            raise yaml.constructor.ConstructorError(
                problem=f"{name!r} stands twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """The values of a recipe file.

    Raises:
        RecipeError: it cannot be read, is no mapping, or is far larger than a recipe.
    """
    try:
        check_regular(path)
        with path.open(encoding="utf-8") as file:
            text = file.read(_MAX_BYTES + 1)
        values = _bounded(yaml.load(text[:_MAX_BYTES], _Loader), str(path))
    except FormatError as error:
        raise RecipeError(str(error)) from None
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path}: is not text in UTF-8; want a recipe in YAML") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" in line {mark.line + 1}"
        what = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise RecipeError(f"{path}: is not YAML{line}: {what}") from None
    if len(text) > _MAX_BYTES:
        raise RecipeError(f"{path}: more than {_MAX_BYTES} characters; want a recipe in YAML")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: want lines like `name: value`, found {values!r:.40}")
    return values


def _bounded(values: Any, name: str) -> Any:
    """The values, once they are known to be few.

    Raises:
        RecipeError: they are not, or hold themselves.
    """
    waiting, number = [values], 0
    while waiting:
        value = waiting.pop()
        number += 1
        if number > _MAX_VALUES:
            raise RecipeError(f"{name}: more than {_MAX_VALUES:,} values; want a recipe")
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return values


def from_text(text: str, name: str) -> Any:
    """A value as YAML reads it; what is no YAML is text.

    Raises:
        RecipeError: it is far larger than a value of a recipe.
    """
    try:
        return _bounded(yaml.load(text, _Loader), name)
    except (yaml.YAMLError, ValueError, RecursionError):
        return text


def to_yaml(recipe: Any) -> str:
    """A recipe as text that `read_yaml` reads."""
    return yaml.safe_dump(_plain(asdict(recipe)), sort_keys=False, allow_unicode=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
