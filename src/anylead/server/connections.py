"""Connections that send slowly, or are too many; uvicorn has no setting for either.

uvicorn limits how long a kept connection may be idle and how long a head may be; here a head must
also come within a time, an answer be taken within a time, and the number of connections is bounded.
"""

import asyncio
import errno
import logging
import time
from contextlib import suppress
from typing import Any

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from anylead.server.limits import Limits

_LOG = logging.getLogger("anylead.server")
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-length: 0\r\n\r\n"
)
_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_OTHER_FILES = 64  # descriptors for the model, its libraries, and processes that read
_NOTHING_LEFT = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_SECONDS_BETWEEN_COMPLAINTS = 10.0


class Connection(H11Protocol):
    """One connection.

    Args:
        config, server_state, app_state, _loop: uvicorn's.
        limits: of time.
        most: connections at once.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: Limits,
        most: int,
    ):
        super().__init__(config, server_state, app_state, _loop)
        self.header_seconds, self.most = limits.header_seconds, most
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.most:
            self.transport = transport
            transport.write(_BUSY)
            transport.close()
            return
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            # Who does not take the answer shall not keep the connection.
            self.loop.call_later(self.header_seconds, self.transport.abort)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """The time for a head runs until it is complete, however its bytes come."""
        if self.conn.their_state is not h11.IDLE:
            self._forget()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.header_seconds, self._end)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        if self.conn.trailing_data[0]:  # a head has begun
            self.transport.write(_LATE)
        self.transport.close()
        self.loop.call_later(1, self.transport.abort)


def most_connections(limits: Limits) -> int:
    """As many as wanted, where file descriptors suffice: an upload may need one more."""
    most = limits.connections
    with suppress(ImportError):
        import resource

        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors != resource.RLIM_INFINITY:
            most = min(most, max(1, (descriptors - _OTHER_FILES) // 2))
    return most


class Complaints:
    """What the event loop cannot handle, as one line each, without what it holds of a request."""

    def __init__(self) -> None:
        self._last = -_SECONDS_BETWEEN_COMPLAINTS

    def __call__(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _NOTHING_LEFT):
            _LOG.error("%s: %s", context.get("message"), type(error).__name__)
            return
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_COMPLAINTS:  # asyncio tells it for every socket
            self._last = now
            _LOG.error("no file descriptors left: raise ulimit -n, or lower --limits.connections")
