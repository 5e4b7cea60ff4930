"""Slow, many and stubborn clients against a server in a process of its own."""

import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

import fitted_model
from anylead.server.connections import most_connections
from anylead.server.limits import Limits
from server import running
from server.test_api import as_json

HEAD = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.fixture(scope="module")
def site():
    options = ("--limits.header_seconds", "1", "--limits.connections", "12",
               "--limits.reading_seconds", "3")  # fmt: skip
    with running.server(*options) as (address, process):
        yield urlsplit(address).port, process


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=15)


def rest(connection):
    """What comes until the server closes; empty where it cut the connection off."""
    parts = []
    try:
        while part := connection.recv(4096):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def health(port):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as asking:
        asking.request("GET", "/health")
        return asking.getresponse().status


@pytest.mark.parametrize(
    ("begin", "answer"),
    [(b"", b""), (HEAD, b"408"), (HEAD + b"\r\n" + HEAD, b"408")],
    ids=["nothing", "half a head", "half a head after a whole one"],
)
def test_a_head_that_does_not_come_ends_the_connection(site, begin, answer):
    with connect(site[0]) as connection:
        connection.sendall(begin)
        began = time.monotonic()
        stop = threading.Event()

        def trickle():
            while begin and not stop.wait(0.2):
                try:
                    connection.sendall(b"X")
                except OSError:
                    return

        threading.Thread(target=trickle, daemon=True).start()
        assert answer in rest(connection)
        stop.set()
    assert time.monotonic() - began < 6


def test_connections_beyond_the_limit_are_turned_away_and_others_go_on(site):
    held = [connect(site[0]) for _ in range(12)]
    with connect(site[0]) as one_more:
        assert b" 503 " in rest(one_more)
    for connection in held:
        connection.close()
    time.sleep(0.3)
    assert health(site[0]) == 200


def sent_until_it_is_cut_off(connection, most):
    for sent in range(0, most, 100_000):
        try:
            connection.sendall(b"x" * 100_000)
        except (ConnectionError, TimeoutError):
            return sent
    return most


def test_the_rest_of_a_refused_upload_is_not_read(site):
    head = (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
        b"Content-Length: 15000000\r\n\r\n"
    )
    with connect(site[0]) as connection:
        connection.sendall(head + b"x" * 1000)
        time.sleep(0.5)
        sent = sent_until_it_is_cut_off(connection, 15_000_000)
    assert sent < 14_000_000  # what the buffers of both ends hold, no more


def test_who_is_refused_while_sending_hears_why(site):
    head = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\n"
    with connect(site[0]) as connection:
        connection.sendall(head + b"Content-Length: 400000\r\n\r\n")
        for _ in range(4):
            time.sleep(0.15)  # the server has made up its mind at the first
            connection.sendall(b"x" * 100_000)
        assert b" 415 " in connection.recv(4096)


def test_a_file_that_takes_too_long_to_read_keeps_no_one_waiting(site):
    header = "m/400000 12 500 4000000\n" + "s 10\n" * 400_000
    boundary = b"b"
    files = {"m.hea": header.encode(), "s.hea": b"s 1 500 10\ns.dat 16 200 16 0 0 0 0 I\n",
             "s.dat": bytes(20)}  # fmt: skip
    body = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s"\r\n\r\n%s\r\n'
        % (name.encode(), content)
        for name, content in files.items()
    )
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    with closing(http.client.HTTPConnection("127.0.0.1", site[0], timeout=20)) as asking:
        asking.request("POST", "/read", body + b"--b--\r\n", {"Content-Type": kind})
        began = time.monotonic()
        assert asking.getresponse().status == 422
        assert time.monotonic() - began < 10


def test_running_out_of_descriptors_is_one_line_and_passes(tmp_path):
    pytest.importorskip("resource", reason="no limits of this kind on this system")
    main = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70)); {running.MAIN}"
    log = tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", main, "serve", str(fitted_model.folder()), "--port", "0",
             "--device", "cpu", "--limits.header_seconds", "2"],
            env=running.environment(),
            stdout=subprocess.PIPE, stderr=file, text=True,
        )  # fmt: skip
        try:
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
            held = [connect(port) for _ in range(120)]
            time.sleep(1)
            for connection in held:
                connection.close()
            end = time.monotonic() + 15
            while time.monotonic() < end:
                try:
                    if health(port) == 200:
                        break
                except OSError:
                    time.sleep(0.2)
            assert health(port) == 200
        finally:
            process.terminate()
            process.communicate(timeout=20)
    assert "Traceback" not in log.read_text()


def test_few_descriptors_allow_few_connections():
    resource = pytest.importorskip("resource")
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections(Limits(connections=3)) == 3
    if descriptors != resource.RLIM_INFINITY:
        assert most_connections(Limits(connections=10**9)) < descriptors


def test_drawing_writes_nothing_of_what_is_drawn_into_the_log(site):
    port, process = site
    body = json.dumps(as_json(fitted_model.recordings()[0], name="Zoë-雪"))
    head = {"Content-Type": "application/json"}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as asking:
        for kind in ("pdf", "svg"):
            asking.request("POST", f"/plot?format={kind}&report=true", body, head)
            answer = asking.getresponse()
            assert (answer.status, len(answer.read()) > 1000) == (200, True)
    process.terminate()
    _, errors = process.communicate(timeout=20)
    ours = re.compile(
        r"anylead\.server (GET|POST) (/plot|/read|/predict|/health|other) \d{3} \d+ ms$"
    )
    assert [line for line in errors.splitlines() if not ours.search(line)] == []
