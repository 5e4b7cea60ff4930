import json
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

import fitted_model
from anylead.commands import serve
from anylead.errors import CheckpointError, LeadError, RecipeError
from anylead.inference.model import Model
from anylead.server import Service
from server import running
from server.test_api import as_json


def post(address, path, body, headers=()):
    request = urllib.request.Request(
        address + path,
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **dict(headers)},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.load(answer)


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_answers_what_it_began(signal_number):
    record = fitted_model.recordings()[0]
    with running.server("--limits.batch_wait_ms", "1500") as (address, process):
        assert address.startswith("http://127.0.0.1:")
        answers = []
        asking = threading.Thread(
            target=lambda: answers.append(post(address, "/predict", as_json(record)))
        )
        asking.start()
        time.sleep(0.7)
        process.send_signal(signal_number)
        asking.join(timeout=30)
        out, errors = process.communicate(timeout=30)
        assert answers[0][0] == 200
        assert answers[0][1]["recordings"][0]["probabilities"]["SR"] > 0
        # A shell that runs the tests in the background leaves SIGINT ignored, for the server too.
        is_heard = signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        status = {signal.SIGTERM: 0, signal.SIGINT: 130 if is_heard else 0}[signal_number]
        assert process.returncode == status
        assert "stopped" in out + errors
        assert "Traceback" not in errors + out


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv(serve.TOKEN_VARIABLE, raising=False)
    assert serve.find_token(None) is None
    monkeypatch.setenv(serve.TOKEN_VARIABLE, "from-outside")
    assert serve.find_token(None) == "from-outside"
    file = tmp_path / "token"
    file.write_text("from-file\n")
    assert serve.find_token(file) == "from-file"
    for wrong in ("", "two words", "schlüssel"):
        file.write_text(wrong)
        with pytest.raises(RecipeError, match="one word"):
            serve.find_token(file)
    with pytest.raises(RecipeError, match="cannot be read"):
        serve.find_token(tmp_path / "none")


def test_a_server_told_its_leads_sees_these_unless_a_request_names_others():
    record = fitted_model.recordings()[0]
    with running.server("--leads", "V2,I") as (address, _):
        with urllib.request.urlopen(f"{address}/model", timeout=30) as answer:
            assert json.load(answer)["leads"] == ["I", "V2"]
        for query, leads in (("", ["I", "V2"]), ("?use_leads=2", ["I", "II"])):
            found = post(address, f"/predict{query}", as_json(record))[1]["recordings"][0]
            assert found["leads"] == leads
            expected = fitted_model.model().predict(record, use_leads=leads)
            assert found["probabilities"] == pytest.approx(expected, abs=1e-4)


def test_leads_that_do_not_exist_end_the_start(tmp_path):
    with pytest.raises(LeadError, match="Q"):
        serve.run(serve.Recipe(str(fitted_model.folder()), port=0, leads="Q"))


def test_a_taken_port_is_told_in_one_line_before_the_model_is_loaded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RecipeError, match=f"127.0.0.1:{port}: .*choose another"):
            serve.run(serve.Recipe("no-such-model", port=port))
    with pytest.raises(RecipeError, match="choose another"):
        serve.listen("127.0.0.1", 70000)


def test_host_names_are_checked_where_the_server_is_for_this_machine_only():
    assert "localhost" in serve.hosts_of(serve.Recipe("m"))
    assert serve.hosts_of(serve.Recipe("m", host="0.0.0.0")) is None
    assert serve.hosts_of(serve.Recipe("m", allowed_hosts="a.example, b")) == ("a.example", "b")


def test_a_gallery_of_another_model_is_refused(tmp_path):
    gallery = running.gallery(tmp_path, num_persons=3)
    made = fitted_model.checkpoint()
    changed = {name: tensor + 0.01 for name, tensor in made.tensors.items()}
    other = Model(type(made)(changed, made.description), "cpu")
    with pytest.raises(CheckpointError, match="other weights"):
        Service(other, gallery=gallery)
