"""HTTP API and web page over a loaded model.

A request's way: `gate` (who may, how much, how long) - `reading` (body -> Records) - `batching`
(Records of many requests -> one forward pass) - `answers` (numbers -> JSON or a picture).
"""

from anylead.server.app import create_app
from anylead.server.limits import Limits
from anylead.server.service import Service

__all__ = ["Limits", "Service", "create_app"]
