"""Self-supervised ECG models that work with any set of leads."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Name -> where it lies; a part is imported when it is first used, so that `import anylead` needs
# neither torch nor time. Types stand in `__init__.pyi`.
_WHERE = {
    "Model": "anylead.inference.model",
    "load": "anylead.inference.model",
}
__all__ = ["Model", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
