"""`anylead serve MODEL`: an HTTP API and a web page over a model."""

import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from anylead.commands import screen
from anylead.errors import RecipeError
from anylead.extras import missing
from anylead.inference import named
from anylead.inference.model import load
from anylead.server.limits import Limits

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
TOKEN_VARIABLE = "ANYLEAD_TOKEN"

FIRST = (
    "host",
    "port",
    "gallery",
    "token_file",
    "leads",
    "device",
)
EXAMPLES = (
    "anylead serve runs/diagnosis",
    "anylead serve runs/diagnosis --host 0.0.0.0 --token_file token.txt",
)


@dataclass(frozen=True)
class Recipe:
    """What is served, and where.

    Attributes:
        model: a name (see `anylead models`), a run of `anylead finetune` or `pretrain`,
            "hf://owner/name", or any other model; null takes the one in the box.
        host: address to listen at; others than this machine reach "0.0.0.0" (then set a token).
        port: 0 takes a free one.
        gallery: folder of `anylead enroll`, made with this model; offers /identify.
        threshold: cosine below which a person is unknown; null takes it from the gallery.
        token_file: holds the token that requests must bear; null takes it from the environment
            variable ANYLEAD_TOKEN, and lets everyone in where that is not set.
        allowed_hosts: names in the Host header, with commas; null allows the loopback names where
            the host is one, else all.
        leads: the model sees these only, unless a request names others; a named set or a list;
            null takes what the model was trained on.
        device: "cpu", "cuda"; null takes a GPU where there is one.
        limits: bounds of requests and batches.
    """

    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    gallery: Path | None = None
    threshold: float | None = None
    token_file: Path | None = None
    allowed_hosts: str | None = None
    leads: str | None = None
    device: str | None = None
    limits: Limits = field(default_factory=Limits)


def run(recipe: Recipe) -> None:
    """Serve until told to stop (Ctrl-C, SIGTERM); requests under way are answered first.

    Raises:
        CheckpointError: no such model, or a gallery of another model.
        RecipeError: the address cannot be used, or the token is empty.
        LeadError: no such leads.
        MissingPackageError: the extra "serve" is not installed.
    """
    try:
        import uvicorn

        from anylead.server import Service, create_app
        from anylead.server.connections import Connection, most_connections
    except ImportError as error:
        raise missing(error.name, "serve") from None
    token = find_token(recipe.token_file)
    name = recipe.model or named.default()
    with listen(recipe.host, recipe.port) as listening:
        model = load(name, device=recipe.device)
        if recipe.model is None:
            screen.say_box(screen.console(stderr=True), model.about.name, model.about.version)
        if recipe.leads is not None:
            model.see_only(recipe.leads)
        service = Service(model, recipe.limits, recipe.gallery, recipe.threshold)
        service.warm_up()
        app = create_app(service, token, hosts_of(recipe))
        # Libraries that draw or read may write down what they draw or read.
        logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("anylead.server").setLevel(logging.INFO)
        settings = uvicorn.Config(
            app,
            http=partial(Connection, limits=recipe.limits, most=most_connections(recipe.limits)),  # type: ignore[arg-type]
            ws="none",
            lifespan="on",
            log_level="error",
            access_log=False,  # it would write queries down
            server_header=False,
            timeout_graceful_shutdown=round(recipe.limits.request_seconds),
        )
        listening.listen(2048)  # who reads the address below can connect at once
        name = f"[{recipe.host}]" if ":" in recipe.host else recipe.host
        print(f"anylead serve: http://{name}:{listening.getsockname()[1]}/", flush=True)
        if recipe.host not in LOOPBACK and token is None:
            print("anylead serve: open to other machines without a token; see --token_file")
        signal.signal(signal.SIGTERM, _end)  # uvicorn passes on what it was stopped by
        uvicorn.Server(settings).run(sockets=[listening])
    # Only where this process was started with SIGINT ignored: else uvicorn passes it on.
    print("anylead serve: stopped", flush=True)


def _end(*_: object) -> None:
    print("anylead serve: stopped", flush=True)
    sys.exit(0)


def find_token(file: Path | None) -> str | None:
    """The token, or None if there is to be none.

    Raises:
        RecipeError: the file cannot be read, or holds no token.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file}: cannot be read as a token ({error})") from None
    if not token or not token.isascii() or any(letter.isspace() for letter in token):
        raise RecipeError(f"{file}: want one word of ASCII letters as a token")
    return token


def hosts_of(recipe: Recipe) -> tuple[str, ...] | None:
    """Names that requests may call the server by; None allows all."""
    if recipe.allowed_hosts is not None:
        return tuple(name.strip() for name in recipe.allowed_hosts.split(",") if name.strip())
    return LOOPBACK if recipe.host in LOOPBACK else None


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound already, so that a taken port is told before a model is loaded.

    Raises:
        RecipeError: the address is not of this machine, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        reason = getattr(error, "strerror", None) or error
        raise RecipeError(f"{host}:{port}: {reason}; choose another --host or --port") from None
    return bound
