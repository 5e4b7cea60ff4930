"""What an option may be: the names in our tables, for help, for Tab and before a command runs."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, get_type_hints

from anylead.commands.options import Option, options, refuse_ignored
from anylead.commands.recipes import convert
from anylead.errors import RecipeError, known_are


def values_of(verb: str, option: Option) -> tuple[str, ...]:
    """The values that an option may have, where they can be listed: names in our tables, too."""
    if option.is_flag:
        return ("true", "false")
    names = _NAMES.get(f"{verb} {option.name}", _NAMES.get(option.name))
    return option.choices or (names() if names else ())


def check_values(verb: str, recipe: Any) -> None:
    """Refuse a word that is in none of our tables, before anything is opened or read.

    Args:
        verb: of the command.
        recipe: of the command.

    Raises:
        AnyleadError: the option, the word, and what may be meant.
    """
    for option in options(type(recipe)):
        value = attrgetter(option.name)(recipe)
        check = CHECKS.get(f"{verb} {option.name}", CHECKS.get(option.name))
        if check is not None and value not in (None, option.default) and not option.choices:
            check(f"{verb} {option.name}", value)
    if verb == "finetune":
        _check_sets(recipe)
    if verb in _IGNORED:
        refuse_ignored(recipe, *_IGNORED[verb](recipe))
        refuse_ignored(recipe, *_ignored_by_schedule(recipe.schedule))


def _check_sets(recipe: Any) -> None:
    """Refuse to validate with leads that the training does not see."""
    from anylead.leads import parse_leads

    for name in ("lead_sets", "threshold_sets"):
        for each in (getattr(recipe, name) or "").split():
            unseen = set(parse_leads(each)) - set(parse_leads(recipe.leads))
            if unseen:
                told = f"trained on {recipe.leads}, not on {', '.join(sorted(unseen))}"
                raise RecipeError(f"{name}: {each}, but the model is {told}")


def _ignored_by_task(recipe: Any) -> tuple[str, Iterable[str]]:
    from anylead.tasks import TASKS

    return f"task {recipe.task}", TASKS[recipe.task].ignores


def _ignored_by_method(recipe: Any) -> tuple[str, Iterable[str]]:
    from anylead.methods import find_method

    method = find_method(recipe.method)
    weights = {"local": method.local_weight, "global": method.global_weight}
    given = {"local": recipe.local_weight, "global": recipe.global_weight}
    has = {name: weights[name] if given[name] is None else given[name] for name in weights}
    parts = {"contrast": "local", "latent": "latent", "signal": "signal"}
    used = parts[method.local] if has["local"] and method.own_local is None else None
    ignored = {*parts.values()} - {used}
    if not has["local"] or method.shares_views:
        ignored.add("local_augment")
    if not has["global"]:
        ignored |= {"contrast", "patient_positives", "temperature"}
    return f"method {recipe.method}", ignored


def _ignored_by_schedule(schedule: Any) -> tuple[str, Iterable[str]]:
    ignored = {"constant": ("hold", "final_ratio"), "tri_stage": ()}.get(schedule.kind, ("hold",))
    if "hold" not in ignored and schedule.warmup + schedule.hold > 1:
        told = f"schedule.warmup {schedule.warmup:g} and schedule.hold {schedule.hold:g}"
        raise RecipeError(f"{told}: more than all steps; want 1 or less together")
    if not schedule.warmup:
        ignored = (*ignored, "initial_ratio")
    told = f"schedule.kind {schedule.kind} with warmup {schedule.warmup:g}"
    return told, [f"schedule.{name}" for name in ignored]


def _in_table(place: str, value: str) -> None:
    _, _, name = place.partition(" ")
    known = _NAMES.get(place, _NAMES.get(name, tuple))()
    if value not in known:
        raise RecipeError(f"{name} {value!r}{known_are(value, known)}")


def _dataset(place: str, value: str) -> None:
    if value not in _datasets() and Path(value).is_dir():
        raise RecipeError(f"{value} is a folder, no dataset; want anylead prepare folder {value}")
    _in_table(place, value)


def _joined_methods(place: str, value: str) -> None:
    for part in value.split("+"):
        _in_table(place, part.strip())


def _augmentations(place: str, value: Iterable[Any]) -> None:
    from anylead.augment import AUGMENTATIONS

    for item in value:
        _, _, name = place.partition(" ")
        if item.get("name") not in AUGMENTATIONS:
            found = repr(item["name"]) if "name" in item else f"without a name in {item}"
            raise RecipeError(f"{name}: augmentation {found}{known_are(found, AUGMENTATIONS)}")
        kinds = get_type_hints(AUGMENTATIONS[item["name"]])
        for key in item.keys() & kinds.keys():
            where = f"{name}: {item['name']}.{key}"
            convert(kinds[key], item[key], where)
            if isinstance(item[key], str) and kinds[key] in (int, float):
                raise RecipeError(f"{where}: found the text {item[key]!r}, want a number like 0.01")


def _leads(place: str, value: str) -> None:
    from anylead.leads import parse_leads

    parse_leads(value)


def _named_leads(place: str, value: str) -> None:
    from anylead.leads import LEAD_SETS, lead_name

    for part in value.replace(";", ",").split(","):
        if part.strip() and part.strip() not in LEAD_SETS:
            lead_name(part)


def _several_lead_sets(place: str, value: str | Sequence[str]) -> None:
    sets = value.split() if isinstance(value, str) else value
    if not sets:
        raise RecipeError(f"{place.partition(' ')[2]}: names none; want sets such as 12 or I,V2")
    for each in sets:
        _leads(place, each)


def _at_least_one(place: str, value: int) -> None:
    if value < 1:
        raise RecipeError(f"{place.partition(' ')[2]} is {value}; want at least 1")


def _device(place: str, value: str) -> None:
    if value not in ("auto", "cpu"):  # torch need not be asked
        from anylead.training.distributed import choose_device

        choose_device(value)


def _datasets() -> tuple[str, ...]:
    from anylead.datasets import DATASETS

    return tuple(DATASETS)


def _corpora() -> tuple[str, ...]:
    from anylead.datasets.sources import SOURCES

    return tuple(SOURCES)


def _methods() -> tuple[str, ...]:
    from anylead.methods import METHODS

    return tuple(METHODS)


def _tasks() -> tuple[str, ...]:
    from anylead.tasks import TASKS

    return tuple(TASKS)


def _encoders() -> tuple[str, ...]:
    from anylead.models import ENCODERS

    return tuple(ENCODERS)


def _sizes() -> tuple[str, ...]:
    from anylead.models import ENCODERS

    return tuple(dict.fromkeys(size for kind in ENCODERS.values() for size in kind.sizes))


def _lead_sets() -> tuple[str, ...]:
    from anylead.leads import LEAD_SETS

    return tuple(LEAD_SETS)


def _devices() -> tuple[str, ...]:
    return ("auto", "cpu", "cuda")


# Option, of any command or of one -> the names it takes.
_NAMES: dict[str, Callable[[], tuple[str, ...]]] = {
    "dataset": _datasets,
    "download name": _corpora,
    "method": _methods,
    "task": _tasks,
    "encoder.kind": _encoders,
    "encoder.size": _sizes,
    "model.encoder.kind": _encoders,
    "model.encoder.size": _sizes,
    "leads": _lead_sets,
    "lead_sets": _lead_sets,
    "threshold_sets": _lead_sets,
    "device": _devices,
    "train.device": _devices,
}

# Option, of any command or of one -> what refuses a value that it cannot have.
CHECKS: dict[str, Callable[[str, Any], None]] = {
    "dataset": _dataset,
    "download name": _in_table,
    "method": _joined_methods,
    "task": _in_table,
    "encoder.kind": _in_table,
    "encoder.size": _in_table,
    "model.encoder.kind": _in_table,
    "model.encoder.size": _in_table,
    "augment": _augmentations,
    "local_augment": _augmentations,
    "leads": _leads,
    "plot leads": _named_leads,  # also of leads that no model knows
    "lead_sets": _several_lead_sets,
    "threshold_sets": _several_lead_sets,
    "validate_every": _at_least_one,
    "device": _device,
    "train.device": _device,
}

# Command -> recipe -> what is in it, and the options that this leaves unused.
_IGNORED: dict[str, Callable[[Any], tuple[str, Iterable[str]]]] = {
    "finetune": _ignored_by_task,
    "pretrain": _ignored_by_method,
}
