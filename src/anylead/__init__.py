"""Self-supervised ECG models that work with any set of leads."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anylead.inference import Model, load

__version__ = "0.1.0"
__all__ = ["Model", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the parts that need torch when they are first used, not with the package."""
    if name in ("Model", "load"):
        from anylead import inference

        return getattr(inference, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
