"""Load on a running `anylead serve`: waits, a soak, malformed requests, slow clients, bombs.

    anylead serve MODEL --port 8000 &
    python benchmarks/serve_load.py --url http://127.0.0.1:8000 --clients 32 --seconds 60
    python benchmarks/serve_load.py --url http://127.0.0.1:8000 --soak 10000 --pid PID
    python benchmarks/serve_load.py --url http://127.0.0.1:8000 --malformed 1000
    python benchmarks/serve_load.py --url http://127.0.0.1:8000 --slow 600
    python benchmarks/serve_load.py --url http://127.0.0.1:8000 --bombs 10 --pid PID

Asks loopback addresses only. Prints one JSON line for each part; exit status 1 if a part failed.
What batching brings: the same load against a server with --limits.batch_windows 1.
"""

import argparse
import http.client
import io
import json
import random
import socket
import sys
import threading
import time
from functools import partial
from urllib.parse import urlsplit

import numpy as np
from bombs import bombs, resident_bytes

from anylead import datasets

MOST_SECONDS = 600
GROWTH_BYTES = 64 * 2**20  # of a soak, after its first tenth
FORM = "multipart/form-data; boundary=cut"


class Client:
    """One connection that is kept."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise SystemExit(f"{url}: only a server on this machine is loaded")
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)

    def post(self, path: str, body: bytes, kind: str) -> int:
        try:
            self.connection.request("POST", path, body, {"Content-Type": kind})
            answer = self.connection.getresponse()
            answer.read()
        except (http.client.HTTPException, OSError):
            self.connection.close()
            return 0
        return answer.status


def as_file(record) -> bytes:
    """A recording as a form with one NumPy file."""
    content = io.BytesIO()
    facts = {"leads": np.array(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
    np.savez(content, signal=(record.signal * 1000).astype(np.int16), **(facts | {"unit": "uV"}))
    return form("ecg.npz", content.getvalue())


def form(name: str, content: bytes) -> bytes:
    head = f'--cut\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--cut--\r\n"


def wait_for(url: str, seconds: float = 120) -> None:
    """Until the server is up."""
    client = Client(url)
    end = time.monotonic() + seconds
    while client.post("/health", b"", "") == 0:
        if time.monotonic() > end:
            raise SystemExit(f"{url}: no server there after {seconds:.0f} s")
        time.sleep(0.2)


def bodies(number: int, seconds: float) -> list[bytes]:
    made = datasets.records("synthetic", num_patients=number, records_per_patient=1,
                            seconds=seconds)  # fmt: skip
    return [as_file(record) for record in made]


def load(url: str, clients: int, seconds: float, asked: list[bytes]) -> dict:
    """Every client asks again as soon as it is answered."""
    waited: list[float] = []
    statuses: dict[int, int] = {}
    lock = threading.Lock()
    end = time.monotonic() + seconds

    def ask(number: int) -> None:
        client = Client(url)
        turn = number
        while time.monotonic() < end:
            began = time.perf_counter()
            status = client.post("/predict", asked[turn % len(asked)], FORM)
            taken = time.perf_counter() - began
            turn += 1
            with lock:
                waited.append(taken)
                statuses[status] = statuses.get(status, 0) + 1

    began = time.monotonic()
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    p50, p99 = np.percentile(waited, [50, 99]) * 1000
    return {
        "part": "load", "clients": clients, "seconds": round(took, 1), "requests": len(waited),
        "ecgs_per_second": round(len(waited) / took, 1), "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1), "statuses": statuses, "ok": set(statuses) == {200},
    }  # fmt: skip


def soak(url: str, requests: int, pid: int, asked: list[bytes]) -> dict:
    """Memory of the server after a tenth of the requests, and at the end."""
    share, sizes, failed = max(1, requests // 10), [], 0
    lock = threading.Lock()

    def ask(number: int) -> None:
        nonlocal failed
        client = Client(url)
        for turn in range(number):
            status = client.post("/predict", asked[turn % len(asked)], FORM)
            if status != 200:
                with lock:
                    failed += 1

    for _ in range(10):
        threads = [threading.Thread(target=ask, args=(share // 4,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sizes.append(resident_bytes(pid))
        print(f"{len(sizes) * share} requests, {sizes[-1] / 2**20:.1f} MiB", file=sys.stderr)
    growth = sizes[-1] - sizes[0]
    return {
        "part": "soak", "requests": share // 4 * 40, "failed": failed,
        "resident_mib": [round(size / 2**20, 1) for size in sizes],
        "growth_mib": round(growth / 2**20, 1), "ok": failed == 0 and growth < GROWTH_BYTES,
    }  # fmt: skip


def malformed(url: str, number: int, good: bytes, seed: int) -> dict:
    """Requests broken in many ways; none may make the server fail."""
    draw = random.Random(seed)
    client = Client(url)
    statuses: dict[int, int] = {}
    for _ in range(number):
        path = draw.choice(["/predict", "/embed", "/read", "/plot", "/explain"])
        body, kind = draw.choice(BREAKS)(draw, good)
        query = draw.choice(["", "?use_leads=%ff", "?use_leads=II,,", "?format=gif", "?start=-1"])
        status = client.post(path + query, body, kind)
        statuses[status] = statuses.get(status, 0) + 1
    return {
        "part": "malformed", "requests": number, "statuses": statuses,
        "ok": not any(status == 0 or status >= 500 for status in statuses),
    }  # fmt: skip


def slow(url: str, number: int, seconds: float = 90) -> dict:
    """Connections whose head comes a byte a second: all are ended, and then others are served."""
    parts = urlsplit(url)
    held = [socket.create_connection((parts.hostname, parts.port), 10) for _ in range(number)]
    began, ended = time.monotonic(), 0
    for connection in held:
        connection.setblocking(False)
    while held and time.monotonic() - began < seconds:
        time.sleep(1)
        still = [connection for connection in held if trickles(connection)]
        ended, held = ended + len(held) - len(still), still
    took = time.monotonic() - began
    for connection in held:
        connection.close()
    status = Client(url).post("/health", b"", "")
    return {
        "part": "slow", "connections": number, "ended": ended, "seconds": round(took, 1),
        "status_afterwards": status, "ok": ended == number and status not in (0, 503),
    }  # fmt: skip


def trickles(connection: socket.socket) -> bool:
    """Send one more byte of a head; False, and closed, where the server has ended it."""
    try:
        connection.send(b"X")
        while connection.recv(4096):  # what it says before it closes
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False


def _flipped(draw: random.Random, good: bytes) -> tuple[bytes, str]:
    broken = bytearray(good)
    for _ in range(draw.choice([1, 10, 1000])):
        broken[draw.randrange(len(broken))] = draw.randrange(256)
    return bytes(broken), FORM


def _cut(draw: random.Random, good: bytes) -> tuple[bytes, str]:
    return good[: draw.randrange(len(good))], FORM


def _noise(draw: random.Random, good: bytes) -> tuple[bytes, str]:
    kinds = ["application/json", FORM, "multipart/form-data", "text/plain", ""]
    return draw.randbytes(draw.randrange(2000)), draw.choice(kinds)


def _odd_file(draw: random.Random, good: bytes) -> tuple[bytes, str]:
    names = ["a.hea", "a.dat", "a.edf", "a.dcm", "a.xml", "a.mat", "a.h5", "a.csv", "a.npy",
             "a.scp", "a.ecg", "../a", "a.parquet", "a.pkl", ""]  # fmt: skip
    starts = [b"", b"\x93NUMPY", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"0       ", b"<?xml",
              b"a 1 100 100\n../b 16 200 16 0 0 0 0 I\n", b"PAR1", b"MATLAB 5.0",
              b"\0" * 128 + b"DICM", b"ISHNE1.0"]  # fmt: skip
    content = draw.choice(starts) + draw.randbytes(draw.randrange(500))
    return form(draw.choice(names), content), FORM


def _odd_json(draw: random.Random, good: bytes) -> tuple[bytes, str]:
    values = [None, "x", -1, 1e308, [], {}, [[]], [[1, None]], [[1e39] * 50], True, "12", ["I"],
              [[0, 1] * 300], 500]  # fmt: skip
    names = ["signal", "leads", "sample_rate", "unit", "name", "other"]
    one = {name: draw.choice(values) for name in draw.sample(names, draw.randrange(7))}
    whole = draw.choice([{"recordings": [one]}, {"recordings": one}, [one], one])
    return json.dumps(whole).encode(), "application/json"


BREAKS = [_flipped, _cut, _noise, _odd_file, _odd_json]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--ecg-seconds", type=float, default=10.0)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--bombs", type=int, default=0)
    parser.add_argument("--pid", type=int, help="process of the server, for the soak and the bombs")
    parser.add_argument("--malformed", type=int, default=0)
    parser.add_argument("--slow", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    asked = bodies(16, options.ecg_seconds)
    wait_for(options.url)
    results = []
    if options.clients:
        seconds = min(options.seconds, MOST_SECONDS)
        results.append(load(options.url, options.clients, seconds, asked))
    if options.soak:
        results.append(soak(options.url, options.soak, options.pid, asked))
    if options.malformed:
        results.append(malformed(options.url, options.malformed, asked[0], options.seed))
    if options.slow:
        results.append(slow(options.url, options.slow))
    if options.bombs:
        post = partial(Client(options.url).post, "/predict")
        results.append(bombs(post, options.bombs, options.pid, asked[0]))
    for result in results:
        print(json.dumps(result))
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
