"""How much a request may ask for, and how it is told that it asked too much."""

from dataclasses import dataclass

from anylead.errors import RecipeError

_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class Limits:
    """Bounds of the server.

    Attributes:
        request_bytes: of a body, files and all.
        recordings: in a request.
        ecg_seconds: of all recordings of a request together.
        explained_seconds: of a recording that is explained or drawn with its explanation.
        request_seconds: from the head of a request to the answer.
        reading_seconds: for the files of a request; the process that reads them is ended then.
        header_seconds: for the head of a request to come, and for an answer to be taken.
        connections: open at once; more are turned away, also where file descriptors are fewer.
        waiting: recordings that wait for the model; more are turned away.
        batch_windows: windows that go through the model at once.
        batch_wait_ms: how long the first recording of a batch waits for company.
    """

    request_bytes: int = 20 * 2**20
    recordings: int = 32
    ecg_seconds: float = 900.0
    explained_seconds: float = 60.0
    request_seconds: float = 30.0
    reading_seconds: float = 15.0
    header_seconds: float = 10.0
    connections: int = 512
    waiting: int = 512
    batch_windows: int = 32
    batch_wait_ms: float = 3.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value <= 0 and name != "batch_wait_ms":
                raise RecipeError(f"limits.{name} {value}: want a number above 0")


class RefusalError(Exception):
    """A request that is not answered: HTTP status and a message for the one who asked."""

    def __init__(self, status: int, message: str):
        super().__init__(status, message)  # both, so that it passes between processes
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


def short(text: str) -> str:
    """One line of a message; parsers may repeat whole files."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"
