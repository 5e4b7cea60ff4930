import asyncio
import gzip
import logging
import time

import pytest
from starlette.testclient import TestClient

import fitted_model
from anylead.server import Limits, Service, create_app
from anylead.server.gate import Gate
from anylead.server.limits import RefusalError
from anylead.server.metrics import Metrics
from server.test_api import JSON, as_json, client_of, npz


@pytest.fixture(scope="module")
def record():
    return fitted_model.recordings()[0]


def test_a_body_that_is_too_large_is_refused_before_it_is_read(record):
    with client_of(limits=Limits(request_bytes=5000)) as client:
        answer = client.post("/predict", json=as_json(record))
        assert answer.status_code == 413
        assert "5000 bytes" in answer.json()["error"]

        def pieces():
            for _ in range(20):
                yield b"x" * 1000

        assert client.post("/predict", content=pieces(), headers=JSON).status_code == 413


def test_too_many_recordings_and_too_much_ecg_are_refused(record):
    limits = Limits(recordings=2, ecg_seconds=12, explained_seconds=4)
    with client_of(limits=limits) as client:
        one = as_json(record)["recordings"][0]
        three = client.post("/predict", json={"recordings": [one] * 3})
        assert (three.status_code, "may hold 2" in three.json()["error"]) == (413, True)
        files = [("file", (f"{i}.npz", npz(record))) for i in range(3)]
        assert client.post("/predict", files=files).status_code == 413
        long = as_json(record, signal=[[0.0, 1.0] * 800] * 12)
        assert client.post("/predict", json=long).status_code == 413
        assert client.post("/explain", json=as_json(record)).status_code == 413
        assert client.post("/predict", json=as_json(record)).status_code == 200
        two = {"recordings": [one] * 2}
        assert client.post("/read", json=two).status_code == 422


@pytest.mark.parametrize("query", ["leads=I", "x", "Use_leads=I", "threshold=2"])
def test_an_option_that_is_none_is_refused_and_not_overlooked(query, record):
    with client_of() as client:
        answer = client.post(f"/predict?{query}", json=as_json(record))
        assert answer.status_code == 422
        assert "known are" in answer.json()["error"] and "use_leads" in answer.json()["error"]
        assert client.post("/predict?use_leads=I", json=as_json(record)).status_code == 200
        assert client.get("/health?x=1").status_code == 200


@pytest.mark.parametrize("kind", ["gzip", "br", "gzip, gzip"])
def test_a_packed_body_is_refused_unread(kind, record):
    packed = gzip.compress(b"0" * 10**7)
    with client_of() as client:
        answer = client.post("/predict", content=packed, headers={**JSON, "Content-Encoding": kind})
        assert (answer.status_code, "packed" in answer.json()["error"]) == (415, True)
        plain = client.post(
            "/predict", json=as_json(record), headers={"Content-Encoding": "identity"}
        )
        assert plain.status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/model", "/page/app.js"])
def test_who_asks_for_the_head_gets_that_of_the_answer(path):
    with client_of() as client:
        whole, head = client.get(path), client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers.get("content-length") == whole.headers.get("content-length")
        assert client.head("/nothing").status_code == 404


def test_more_than_can_wait_is_turned_away(record):
    with client_of(limits=Limits(waiting=1)) as client:
        one = as_json(record)["recordings"][0]
        answer = client.post("/predict", json={"recordings": [one] * 2})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"


def test_a_token_is_wanted_where_there_is_one(record):
    with client_of(token="secret") as client:
        assert client.get("/").status_code == 200
        assert client.get("/page/page.js").status_code == 200
        assert client.get("/health").status_code == 200
        for path in ("/model", "/metrics", "/openapi.json", "/examples"):
            assert client.get(path).status_code == 401
        assert client.post("/predict", json=as_json(record)).status_code == 401
        wrong = {"authorization": "Bearer secre"}
        assert client.post("/predict", json=as_json(record), headers=wrong).status_code == 401
        right = {"authorization": "Bearer secret"}
        assert client.post("/predict", json=as_json(record), headers=right).status_code == 200


def test_other_host_names_are_refused():
    with client_of(hosts=("127.0.0.1", "localhost", "[::1]")) as client:
        assert client.get("/model", headers={"host": "elsewhere.example:8000"}).status_code == 421
        assert client.get("/model", headers={"host": "localhost:8000"}).status_code == 200
        assert client.get("/model", headers={"host": "[::1]:8000"}).status_code == 200


def ask(app, limits, chunks=(b"",), pause=0.0):
    """One request through the gate; its status, and the body of the answer."""
    sent = []
    waiting = list(chunks)

    async def receive():
        if not waiting:
            await asyncio.sleep(10)
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    headers = [(b"transfer-encoding", b"chunked")]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers}
    gate = Gate(app, limits, Metrics(), None, None)
    asyncio.run(gate(scope, receive, send))
    return sent[0]["status"], sent[-1]["body"].decode()


async def read_all(receive):
    while (await receive())["more_body"]:
        pass


def test_work_that_takes_too_long_ends_with_504():
    async def slow(scope, receive, send):
        await read_all(receive)
        await asyncio.sleep(5)

    began = time.monotonic()
    status, text = ask(slow, Limits(request_seconds=0.1))
    assert (status, "within 0.1 s" in text) == (504, True)
    assert time.monotonic() - began < 2


def test_a_body_that_trickles_in_ends_with_408():
    async def reads(scope, receive, send):
        await read_all(receive)

    status, _ = ask(reads, Limits(request_seconds=0.15), [b"x"] * 50, pause=0.02)
    assert status == 408


def test_the_log_tells_the_place_of_a_failure_but_nothing_of_the_request(caplog):
    async def fails(scope, receive, send):
        raise ValueError("Jane Doe, born 1950")

    with caplog.at_level(logging.INFO, "anylead.server"):
        status, text = ask(fails, Limits())
    assert status == 500
    assert "Jane" not in text + caplog.text
    assert "test_gate.py" in caplog.text
    assert "ValueError" in caplog.text


def test_the_log_and_the_metrics_hold_nothing_of_a_patient(record, caplog):
    with client_of() as client, caplog.at_level(logging.DEBUG):
        client.post("/predict?use_leads=I", json=as_json(record, name="Jane-Doe"))
        client.post("/read", files=[("file", ("Jane-Doe.npz", b"broken"))])
        client.post("/Jane-Doe")
        metrics = client.get("/metrics").text
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("anylead")]
    assert len(ours) == 4
    assert not any("Jane" in line for line in [*ours, metrics])
    assert 'anylead_requests_total{path="/predict",status="200"} 1.0' in metrics
    assert 'path="other",status="404"' in metrics
    assert "anylead_recordings_total 1.0" in metrics
    assert "anylead_waiting_recordings 0.0" in metrics


def test_a_refusal_inside_is_told_as_it_is():
    async def refuses(scope, receive, send):
        raise RefusalError(418, "no tea")

    assert ask(refuses, Limits()) == (418, '{"error": "no tea"}')


def test_limits_below_zero_are_refused():
    from anylead.errors import RecipeError

    with pytest.raises(RecipeError, match="recordings 0"):
        Limits(recordings=0)


def test_after_a_failure_inside_the_model_the_next_request_is_answered(record, monkeypatch):
    service = Service(fitted_model.model())
    with TestClient(create_app(service), base_url="http://127.0.0.1") as client:
        whole = service._logits.run
        monkeypatch.setattr(service._logits, "run", lambda windows: 1 / 0)
        assert client.post("/predict", json=as_json(record)).status_code == 500
        monkeypatch.setattr(service._logits, "run", whole)
        assert client.post("/predict", json=as_json(record)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"origin": "https://127.0.0.1"}, 200),
        ({"origin": "http://127.0.0.1:8080"}, 403),
        ({"origin": "http://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_pages_of_other_sites_cannot_post(whole_client, record, headers, status):
    answer = whole_client.post("/predict", json=as_json(record), headers=headers)
    assert answer.status_code == status


@pytest.fixture(scope="module")
def whole_client():
    with client_of() as client:
        yield client


def test_messages_are_one_short_line(whole_client, record):
    answer = whole_client.post("/predict", json=as_json(record, unit="k\ng" * 2000))
    message = answer.json()["error"]
    assert answer.status_code == 422
    assert len(message) <= 400 and "\n" not in message


def test_a_connection_goes_on_after_a_little_refused(whole_client, record):
    refused = whole_client.post("/predict", content=b"x" * 1000, headers={"content-type": "x/y"})
    assert (refused.status_code, "connection" in refused.headers) == (415, False)
    answered = whole_client.post("/predict", json=as_json(record))
    assert "connection" not in answered.headers
