"""HTTP API and web page over a loaded model.

A request's way: `connections` (how many, how slow) - `gate` (who may, how much, how long) -
`reading` (body -> Records; files in `reader`, a process of its own) - `batching` (Records of many
requests -> one forward pass) - `answers` (numbers -> JSON or a picture).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anylead.server.app import create_app
    from anylead.server.limits import Limits
    from anylead.server.service import Service

__all__ = ["Limits", "Service", "create_app"]

# Imported when first used: the processes that read files need neither torch nor FastAPI.
_WHERE = {
    "Limits": "anylead.server.limits",
    "Service": "anylead.server.service",
    "create_app": "anylead.server.app",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
