"""Little bodies that stand for gigabytes, sent to a running server by `serve_load.py --bombs`."""

import io
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

COUNT = 300_000_000  # samples of a byte: 2.4 GB as they would stand in memory
MOST_GROWTH = 2**30  # bytes of the server and its readers together
FORM = "multipart/form-data; boundary=cut"


def zeros() -> Iterator[int]:
    """How many of them come next."""
    for begin in range(0, COUNT, 2**24):
        yield min(2**24, COUNT - begin)


def npy_head(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '|i1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode()
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text + b"\n"


def npz() -> bytes:
    content = io.BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("signal.npy", "w", force_zip64=True) as file,
    ):
        file.write(npy_head((12, COUNT // 12)))
        for size in zeros():
            file.write(bytes(size))
    return content.getvalue()


def mat() -> bytes:
    def tag(kind: int, size: int) -> bytes:
        return kind.to_bytes(4, "little") + size.to_bytes(4, "little")

    shape = (12).to_bytes(4, "little") + (COUNT // 12).to_bytes(4, "little")
    facts = tag(6, 8) + (8).to_bytes(4, "little") + bytes(4) + tag(5, 8) + shape
    facts += tag(1, 3) + b"val".ljust(8, b"\0") + tag(1, COUNT)
    packer = zlib.compressobj(9)
    parts = [packer.compress(tag(14, len(facts) + COUNT) + facts)]
    parts += [packer.compress(bytes(size)) for size in zeros()]
    body = b"".join([*parts, packer.flush()])
    start = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    return start + tag(15, len(body)) + body


def hdf5() -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:  # chunks that were never written are zeros
        file.create_dataset("signal", (12, 10**9), "i1", chunks=(12, 10**4), compression="gzip")
    return content.getvalue()


@cache
def forms() -> dict[str, tuple[bytes, str]]:
    """Name -> body and its type."""
    segments = "m/1000000 1 500 1000000000\n" + "s 1000\n" * 1000
    files = {
        "npz": [("a.npz", npz())],
        "mat": [("a.mat", mat())],
        "hdf5": [("a.h5", hdf5())],
        "npy of more than it has": [("a.npy", npy_head((12, 10**11)) + bytes(100))],
        "wfdb, segments": [
            ("m.hea", segments.encode()),
            ("s.hea", b"s 1 500 1000\ns.dat 16 1000/mV 16 0 0 0 0 V1\n"),
            ("s.dat", bytes(2000)),
        ],
        "wfdb, gap": [("m.hea", b"m/2 1 500 1000000000\ns 1000\n~ 999999000\n")],
    }
    made = {name: (form(parts), FORM) for name, parts in files.items()}
    made["JSON in depth"] = (b'{"recordings": ' + b"[" * 10**6, "application/json")
    return made


def form(parts: list[tuple[str, bytes]]) -> bytes:
    heads = 'Content-Disposition: form-data; name="file"; filename="{}"\r\n\r\n'
    body = b"".join(
        b"--cut\r\n" + heads.format(name).encode() + content + b"\r\n" for name, content in parts
    )
    return body + b"--cut--\r\n"


def bombs(post: Callable[[bytes, str], int], number: int, pid: int, good: bytes) -> dict:
    """All of them in turn, `number` times; the server must refuse them, stay small, and go on."""
    statuses: dict[str, dict[int, int]] = {}
    with watched(pid) as sizes:
        for _ in range(number):
            for name, (body, kind) in forms().items():
                status = post(body, kind)
                counts = statuses.setdefault(name, {})
                counts[status] = counts.get(status, 0) + 1
    growth = max(sizes) - sizes[0]
    afterwards = post(good, FORM)
    is_refused = all(400 <= status < 500 for counts in statuses.values() for status in counts)
    return {
        "part": "bombs", "requests": number * len(statuses), "statuses": statuses,
        "growth_mib": round(growth / 2**20, 1), "status_afterwards": afterwards,
        "ok": is_refused and growth < MOST_GROWTH and afterwards == 200,
    }  # fmt: skip


@contextmanager
def watched(pid: int, seconds: float = 0.05) -> Iterator[list[int]]:
    """Resident bytes of a process and all below it, now and every moment until the block ends."""
    sizes = [size_of_all(pid)]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(seconds):
            sizes.append(size_of_all(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sizes
        time.sleep(seconds)
    finally:
        over.set()
        thread.join()


def size_of_all(pid: int) -> int:
    """Resident bytes of a process and of those it started."""
    total = resident_bytes(pid)
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = file.read_text().split()
        except OSError:
            continue
        total += sum(size_of_all(int(each)) for each in below)
    return total


def resident_bytes(pid: int) -> int:
    """Of a process; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0
