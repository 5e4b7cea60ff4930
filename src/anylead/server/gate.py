"""Who may ask, how much, how long; and what is written down about it.

Nothing of a request but its path and method reaches the log: no file name, no query, no message of
an error, since any of them may name a patient.
"""

import asyncio
import hmac
import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import suppress
from typing import Any

from anylead.server.limits import Limits, RefusalError, short
from anylead.server.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_LOG = logging.getLogger("anylead.server")
OPEN_PATHS = ("/", "/docs", "/health")
OPEN_FOLDER = "/page/"
# Of a body that is refused, so much is taken in and thrown away before the answer goes out.
_SKIMMED_BYTES, _SKIMMED_SECONDS = 2**20, 1.0
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
        b" img-src 'self' data: blob:; base-uri 'none'; form-action 'none';"
        b" frame-ancestors 'none'",
    ),
]


class Gate:
    """ASGI middleware around the whole application.

    Args:
        app: what is guarded.
        limits: of size and time.
        metrics: counts requests.
        token: that requests must bear; None lets everyone in.
        hosts: names that may stand in the Host header (against pages of other sites whose name
            was made to point here); None allows all.
    """

    def __init__(
        self,
        app: App,
        limits: Limits,
        metrics: Metrics,
        token: str | None,
        hosts: Collection[str] | None,
    ):
        self.app, self.limits, self.metrics = app, limits, metrics
        self.token, self.hosts = token, hosts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # the same answer; the ASGI server leaves its body out
            scope = {**scope, "method": "GET"}
        began = time.perf_counter()
        body = _Body(receive, self.limits.request_bytes, _has_body(scope))
        answer = _Answer(send, body)
        try:
            self._admit(scope)
            async with asyncio.timeout(self.limits.request_seconds):
                await self.app(scope, body.receive, answer.send)
        except RefusalError as refusal:
            await answer.refuse(refusal.status, refusal.message)
        except TimeoutError:
            late = f"no answer within {self.limits.request_seconds:g} s; send less, or try later"
            await answer.refuse(504 if body.is_complete else 408, late)
        except Exception as error:
            _LOG.error("%s: %s", type(error).__name__, _places(error))
            await answer.refuse(500, "the server failed; its log says where")
        seconds = time.perf_counter() - began
        path = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(path, str(answer.status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        _LOG.info("%s %s %s %.0f ms", scope["method"], path, answer.status, 1000 * seconds)

    def _admit(self, scope: MutableMapping[str, Any]) -> None:
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if self.hosts is not None and name not in self.hosts:
            raise RefusalError(421, "this host name is not served here; see --allowed_hosts")
        if scope["method"] == "POST" and not _is_from_here(headers, host):
            raise RefusalError(
                403, "a page of another site asks; a proxy before this server must keep Host"
            )
        path = scope["path"]
        is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDER)
        if self.token is not None and not is_open:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.token.encode()):
                raise RefusalError(401, "want the header 'Authorization: Bearer TOKEN'")
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise RefusalError(415, "a packed body; send it as it is, without Content-Encoding")
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self.limits.request_bytes:
            raise _too_large(self.limits.request_bytes)


def _has_body(scope: MutableMapping[str, Any]) -> bool:
    names = {name.lower(): value for name, value in scope["headers"]}
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"


def _is_from_here(headers: MutableMapping[bytes, bytes], host: str) -> bool:
    """Whether a browser sent the request from this server's own page, or no browser did.

    A page of any site may send a form to an address of this machine; browsers then say whose it is.
    """
    origin = headers.get(b"origin")
    if origin is not None:
        return origin.decode("latin-1") in (f"http://{host}", f"https://{host}")
    return headers.get(b"sec-fetch-site", b"none") in (b"same-origin", b"none")


class _Body:
    """Counts what comes in."""

    def __init__(self, receive: Receive, most: int, has_any: bool):
        self._receive, self._left, self._most = receive, most, most
        self.is_complete = not has_any

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise _too_large(self._most)
        self.is_complete = self.is_complete or not message.get("more_body", False)
        return message

    async def skim(self) -> None:
        """Take in what is on its way, within bounds.

        A connection that is closed over unread bytes is reset, and the answer may be lost with it.
        """
        left = _SKIMMED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(_SKIMMED_SECONDS):
                while left > 0 and not self.is_complete:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.is_complete = not message.get("more_body", False)


class _Answer:
    """Adds headers to what goes out, and remembers the status."""

    def __init__(self, send: Send, body: _Body):
        self._send, self._body = send, body
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] != 408:  # who sends too slowly is not waited for again
                await self._body.skim()
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), *_HEADERS]
            if not self._body.is_complete:  # what is still to come is not read
                message["headers"].append((b"connection", b"close"))
        await self._send(message)

    async def refuse(self, status: int, text: str) -> None:
        if self.status:  # the answer has begun: it can only be cut off
            return
        body = json.dumps({"error": short(text)}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status == 503:
            headers.append((b"retry-after", b"1"))
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(most: int) -> RefusalError:
    return RefusalError(413, f"the body is larger than {most} bytes; send fewer recordings")


def _places(error: BaseException) -> str:
    """Where an error came from, without what it says."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{f.filename.rsplit('/', 1)[-1]}:{f.lineno}" for f in reversed(frames))
