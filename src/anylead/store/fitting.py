"""Whether signals were prepared as a model expects them."""

from typing import Any

from anylead.errors import StoreError
from anylead.preprocessing import PreprocessConfig, differences


def check_fits(found: PreprocessConfig, wanted: PreprocessConfig, where: str, who: str) -> None:
    """Make sure that the signals of a store are what a model was trained on.

    Args:
        found: the preprocessing of the store.
        wanted: that of the model.
        where: the store is, for the message.
        who: wants it.

    Raises:
        StoreError: they were prepared in another way; the message holds both and the options
            that prepare them again.
    """
    differing = differences(found, wanted)
    if not differing:
        return
    told = ", ".join(f"{name} {has} ({who} has {want})" for name, (has, want) in differing.items())
    options = " ".join(
        f"--preprocess.{name} {_word(want)}" for name, (_, want) in differing.items()
    )
    raise StoreError(f"{where}: prepared with {told}; prepare the recordings again with {options}")


def _word(value: Any) -> str:
    """A value as it is written on the command line."""
    return (
        "null" if value is None else str(value).lower() if isinstance(value, bool) else f"{value}"
    )
