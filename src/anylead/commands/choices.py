"""What an option may be: the names in our tables, for help and for Tab."""

from collections.abc import Callable

from anylead.commands.options import Option


def values_of(verb: str, option: Option) -> tuple[str, ...]:
    """The values that an option may have, where they can be listed: names in our tables, too."""
    if option.is_flag:
        return ("true", "false")
    names = _NAMES.get(f"{verb} {option.name}", _NAMES.get(option.name))
    return option.choices or (names() if names else ())


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
