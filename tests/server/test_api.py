import io
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from starlette.testclient import TestClient

import fitted_model
from anylead.formats import edf_write, wfdb_write
from anylead.inference.model import load
from anylead.server import Limits, Service, create_app
from anylead.server.api_page import EXAMPLES
from format_samples import SAMPLES
from server import running

JSON = {"content-type": "application/json"}


def client_of(**options):
    limits = options.pop("limits", Limits())
    service = Service(fitted_model.model(), limits, options.pop("gallery", None))
    app = create_app(service, **options)
    return TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=True)


@pytest.fixture(scope="module")
def client():
    with client_of() as made:
        yield made


def as_json(record, **changes):
    given = {
        "signal": record.signal.tolist(),
        "leads": list(record.leads),
        "sample_rate": record.sample_rate,
        "name": record.record_id,
    }
    return {"recordings": [{**given, **changes}]}


def npz(record):
    content = io.BytesIO()
    facts = {"leads": np.array(record.leads), "sample_rate": record.sample_rate, "unit": "mV"}
    np.savez(content, signal=record.signal, **facts)
    return content.getvalue()


@pytest.fixture(scope="module")
def record():
    return fitted_model.recordings()[0]


def test_numbers_and_files_give_what_the_model_gives(client, record):
    expected = fitted_model.model().predict(record)
    for answer in (
        client.post("/predict", json=as_json(record)),
        client.post("/predict", files=[("file", ("ecg.npz", npz(record)))]),
        client.post("/predict", json=as_json(record, signal=(1000 * record.signal).tolist(),
                                             unit="uV")),
    ):  # fmt: skip
        assert answer.status_code == 200
        found = answer.json()["recordings"][0]["probabilities"]
        assert found == pytest.approx(expected, abs=1e-4)


def test_leads_that_are_hidden_are_not_seen(client, record):
    expected = fitted_model.model().predict(record, use_leads="I,V2")
    found = client.post("/predict?use_leads=V2,I", json=as_json(record)).json()["recordings"][0]
    assert found["leads"] == ["I", "V2"]
    assert found["probabilities"] == pytest.approx(expected, abs=1e-4)
    assert client.post("/predict?use_leads=Q", json=as_json(record)).status_code == 422


def test_vectors_are_those_of_embed(client, record):
    found = client.post("/embed", json=as_json(record)).json()["recordings"][0]["vector"]
    np.testing.assert_allclose(found, fitted_model.model().embed(record), atol=1e-4)


def test_several_recordings_of_several_files_keep_their_order(client):
    records = fitted_model.recordings()[:3]
    files = [("file", (f"{i}.npz", npz(each))) for i, each in enumerate(records)]
    found = client.post("/predict", files=files).json()["recordings"]
    expected = fitted_model.model().predict(list(records))
    assert [each["name"] for each in found] == ["0", "1", "2"]
    for got, wanted in zip(found, expected, strict=True):
        assert got["probabilities"] == pytest.approx(wanted, abs=1e-4)


def test_a_header_and_its_samples_are_one_recording(client, record, tmp_path):
    wfdb_write.write(record, tmp_path / "a.hea")
    files = [("file", (path.name, path.read_bytes())) for path in sorted(tmp_path.iterdir())]
    assert len(files) == 2
    found = client.post("/read", files=files).json()
    assert found["name"] == "a"
    assert found["leads"] == list(record.leads)
    np.testing.assert_allclose(found["signal"], record.signal, atol=6e-4)


def test_bare_numbers_are_read_with_what_the_form_states(client, record):
    content = io.BytesIO()
    np.save(content, record.signal[:2])
    files = [("file", ("bare.npy", content.getvalue()))]
    assert client.post("/read", files=files).status_code == 422
    facts = {"sample_rate": "100", "leads": "I, II", "unit": "mV"}
    found = client.post("/read", files=files, data=facts).json()
    assert (found["leads"], found["sample_rate"]) == (["I", "II"], 100)
    wrong = client.post("/read", files=files, data={**facts, "sample_rate": "fast"})
    assert wrong.status_code == 422 and "want a number of Hz" in wrong.json()["error"]


@pytest.mark.parametrize("facts", [{"sample_rate": "250"}, {"leads": "I"}])
@pytest.mark.parametrize("where", ["/predict", "/read?seconds=2"])
def test_what_the_form_states_and_no_file_takes_is_refused(client, record, facts, where, tmp_path):
    edf_write.write(record, tmp_path / "ecg.edf")
    files = {"file": ("ecg.edf", (tmp_path / "ecg.edf").read_bytes())}
    answer = client.post(where, files=files, data=facts)
    assert answer.status_code == 422
    assert "leave the field out" in answer.json()["error"]
    true = {"sample_rate": str(record.sample_rate), "leads": ",".join(record.leads)}
    assert client.post(where, files=files, data=true).status_code == 200


def test_a_wrong_method_is_answered_with_the_right_one(client):
    answer = client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_missing_samples_stay_missing(client, record):
    signal = record.signal.tolist()
    signal[0][5] = None
    found = client.post("/read", json=as_json(record, signal=signal)).json()
    assert found["signal"][0][5] is None
    assert client.post("/predict", json=as_json(record, signal=signal)).status_code == 200


def test_an_explanation_has_a_map_and_what_each_lead_does(client, record):
    answer = client.post("/explain?method=gradients&label=LBBB", json=as_json(record)).json()
    assert answer["label"] == "LBBB"
    assert set(answer["by_lead"]) == set(record.leads)
    values = np.array(answer["saliency"]["values"])
    assert values.shape == (12, 250)
    assert np.abs(values).max() == 1
    assert values.min() < 0 < values.max()  # against the answer, and for it
    assert answer["segments"] == [[0, 5]]
    assert client.post("/explain?label=none", json=as_json(record)).status_code == 422


@pytest.mark.parametrize(
    ("kind", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")]
)
def test_pages_are_drawn_in_every_format(client, record, kind, start):
    answer = client.post(f"/plot?format={kind}&report=true", json=as_json(record))
    assert answer.status_code == 200
    assert answer.content.startswith(start)
    if kind == "svg":
        assert "no medical device" in answer.text
        assert f"{record.record_id}  ·  drawn 20" in " ".join(answer.text.split("\n")) or (
            f"{record.record_id} · drawn 20" in answer.text
        )
        assert "training data not stated; anylead " in answer.text


def test_a_page_says_what_is_shaded(client, record):
    query = "report=true&method=attention&label=STE&use_leads=I,V1"
    answer = client.post(f"/plot?{query}", json=as_json(record))
    assert "speaks for STE" in answer.text and "by attention." in answer.text
    assert "saw 2 leads: I, V1." in answer.text
    assert "saliency-V1" in answer.text


def test_a_gallery_tells_who_it_is_and_what_is_near(tmp_path):
    folder = running.gallery(tmp_path)
    with client_of(gallery=folder) as client:
        assert client.get("/model").json()["has_gallery"]
        known = running.recording(3, 0)
        found = client.post("/identify?top=3", json=as_json(known)).json()["recordings"][0]
        assert found["person"] == "p3"
        assert found["nearest"][0]["cosine"] == pytest.approx(1, abs=1e-3)
        assert found["nearest"][0]["file"] == "first-3.npz"
        assert len(found["persons"]) == 3
        assert client.post("/identify?top=0", json=as_json(known)).status_code == 422


def test_without_a_gallery_nobody_can_be_identified(client, record):
    answer = client.post("/identify", json=as_json(record))
    assert answer.status_code == 404
    assert answer.json() == {"error": "no gallery; start with --gallery to identify persons"}
    assert "/identify" not in client.get("/openapi.json").json()["paths"]


def test_the_description_tells_bodies_and_errors(client):
    described = client.get("/openapi.json").json()
    for path in ("/predict", "/embed", "/explain", "/plot", "/read"):
        post = described["paths"][path]["post"]
        assert set(post["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
        assert {"413", "415", "422"} <= set(post["responses"])
    assert "RecordingIn" in described["components"]["schemas"]


def test_the_page_of_the_api_has_a_command_for_every_route_and_no_script(client):
    page = client.get("/docs")
    assert page.status_code == 200
    assert "<script" not in page.text and "https://" not in page.text
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        assert f"{next(iter(methods)).upper()} {path}</code>" in page.text
        assert EXAMPLES[path]
    assert "curl -F file=@ecg.xml http://127.0.0.1/predict" in page.text
    with client_of(token="secret") as guarded:
        assert "-H &#x27;Authorization: Bearer TOKEN&#x27;" in guarded.get("/docs").text


@pytest.fixture(scope="module")
def trusted(tmp_path_factory):
    model = load(running.trusted(tmp_path_factory.mktemp("trusted")), device="cpu")
    with TestClient(create_app(Service(model)), base_url="http://127.0.0.1") as made:
        yield made


def test_an_answer_comes_with_what_one_must_know_to_trust_it(trusted, record):
    found = trusted.post("/predict", json=as_json(record)).json()
    (one,) = found["recordings"]
    assert one["thresholds"] == dict.fromkeys(fitted_model.LABELS, 0.5)
    assert one["decisions"] == {name: p >= 0.5 for name, p in one["probabilities"].items()}
    assert (one["scored_with"], one["is_measured"]) == ("12", True)
    assert found["model"]["name"] == "rhythm-tiny"
    assert "generated ECGs only" in found["model"]["trained"]
    assert "no medical device" in found["notice"]
    (few,) = trusted.post("/predict?use_leads=I,II", json=as_json(record)).json()["recordings"]
    assert set(few["thresholds"].values()) == {0.25}
    assert few["scores"] == {"auroc": [0.8, 0.75, 0.85]}
    (other,) = trusted.post("/predict?use_leads=V1", json=as_json(record)).json()["recordings"]
    assert not other["is_measured"] and "nearest set" in other["measured"]
    served = trusted.get("/model").json()
    assert served["titles"]["LBBB"] == "left bundle branch block"
    assert set(served["scores"]) == {"12", "2"}


def test_noise_is_answered_only_by_force(trusted, record):
    noise = np.random.default_rng(0).standard_normal(record.signal.shape).tolist()
    (one,) = trusted.post("/predict", json=as_json(record, signal=noise)).json()["recordings"]
    assert one["probabilities"] == {} and "no heart beat" in one["refusal"]
    forced = trusted.post("/predict?force=true", json=as_json(record, signal=noise)).json()
    assert set(forced["recordings"][0]["probabilities"]) == set(fitted_model.LABELS)
    assert "no heart beat" in forced["recordings"][0]["refusal"]


def test_a_part_of_a_long_recording_comes_with_an_overview_of_the_whole(client, record):
    long = np.tile(record.signal, 40)  # 200 s
    whole = type(record)(long, record.leads, record.sample_rate, "long")
    files = [("file", ("long.npz", npz(whole)))]
    found = client.post("/read?start=10&seconds=20", files=files).json()
    np.testing.assert_allclose(found["signal"], long[:, 1000:3000], atol=1e-5)
    assert (found["start"], found["overview"]["seconds"]) == (10, 200)
    assert len(found["overview"]["low"]) == len(found["overview"]["high"]) == 1200
    row = long[record.leads.index("II")]
    assert max(found["overview"]["high"]) == pytest.approx(row.max() - np.median(row), abs=1e-3)
    numbers = as_json(record, signal=long.tolist())
    assert (
        client.post("/read?start=10&seconds=20", json=numbers).json()["signal"] == found["signal"]
    )
    short = client.post("/read?seconds=60", files=[("file", ("a.npz", npz(record)))]).json()
    assert short["overview"] is None
    assert client.post("/read?start=200&seconds=20", files=files).status_code == 422


def test_raw_integers_called_millivolts_are_refused_in_numbers_and_files(client, record):
    counts = replace(record, signal=np.round(1000 * record.signal))
    for answer in (
        client.post("/predict", json=as_json(counts)),
        client.post("/predict", files=[("file", ("ecg.npz", npz(counts)))]),
    ):
        assert answer.status_code == 422
        assert "typical values of" in answer.text


def test_every_example_is_a_recording(client):
    for each in client.get("/examples").json():
        found = client.get(f"/examples/{each['name']}").json()
        assert np.array(found["signal"]).shape == (12, 5000)
    assert client.get("/examples/none").status_code == 404


class _Trap:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("name", ["trap.pkl", "trap.npy", "trap.bin", "model.pt"])
def test_pickles_are_refused_and_never_opened(client, name):
    answer = client.post("/predict", files=[("file", (name, pickle.dumps(_Trap())))])
    assert answer.status_code == 415
    assert "refused" in answer.json()["error"]


def test_arrays_of_objects_are_refused(client):
    content = io.BytesIO()
    np.save(content, np.array([_Trap()], dtype=object), allow_pickle=True)
    answer = client.post("/predict", files=[("file", ("x.npy", content.getvalue()))])
    assert answer.status_code == 422
    assert "pickled objects" in answer.json()["error"]


@pytest.mark.parametrize(
    "name", ["../a.npz", "/etc/passwd", "a/b.npz", "..\\a.npz", ".hidden", "c:x"]
)
def test_names_that_are_paths_are_refused(client, record, name):
    answer = client.post("/predict", files=[("file", (name, npz(record)))])
    assert answer.status_code == 422
    assert "without a path" in answer.json()["error"]


def test_a_path_in_place_of_numbers_is_refused(client, record):
    answer = client.post("/predict", json=as_json(record, signal="/etc/passwd"))
    assert answer.status_code == 422


def test_a_header_cannot_name_a_file_outside(client):
    header = b"a 1 100 100\n../../../../etc/passwd 16 200(0)/mV 16 0 0 0 0 I\n"
    answer = client.post("/predict", files=[("file", ("a.hea", header))])
    assert answer.status_code == 422
    assert "root:" not in answer.text


def test_messages_do_not_show_where_files_lie(client):
    answer = client.post("/predict", files=[("file", ("broken.npz", b"PK\x03\x04 broken"))])
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("broken.npz: ")
    assert "/tmp" not in answer.text


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"sample_rate": 0}, 422, "greater than 0"),
        ({"sample_rate": 20}, 422, "too slow"),
        ({"leads": ["I", "II"]}, 422, "12 rows and 2 lead names"),
        ({"leads": ["I"] * 12}, 422, "stands twice"),
        ({"leads": ["Q"] * 12}, 422, "unknown lead"),
        ({"unit": "kg"}, 422, "unit 'kg'"),
        ({"signal": [[1.0, 2.0], [1.0]], "leads": "2"}, 422, "rows of"),
        ({"signal": [[]], "leads": "1"}, 422, "rows of"),
        ({"signal": [[1e300] * 500], "leads": "1"}, 422, "too large"),
        ({"signal": [[0.0] * 500], "leads": "1"}, 422, "constant"),
        ({"signal": [[None] * 500], "leads": "1"}, 422, "missing"),
        ({"signal": [[0.0, 1.0] * 5], "leads": "1"}, 422, "too short"),
        ({"other": 1}, 422, "not permitted"),
        ({"name": 5}, 422, "valid string"),
    ],
)
def test_what_cannot_be_used_is_told_with_a_reason(client, record, changes, status, message):
    answer = client.post("/predict", json=as_json(record, **changes))
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_what_is_no_json_and_no_form_is_told(client):
    assert client.post("/predict", content=b"{", headers=JSON).status_code == 400
    assert client.post("/predict", content=b"x").status_code == 415
    assert client.post("/predict", content=b"[]", headers=JSON).status_code == 422
    assert client.post("/predict", data={"patient": "X"}).status_code == 415
    form = {"content-type": "multipart/form-data; boundary=x"}
    assert client.post("/predict", content=b"garbage", headers=form).status_code in (400, 422)
    assert client.post("/predict", files=[("file", ("a.txt", b"hello"))]).status_code == 422
    assert client.get("/nothing").json() == {"error": "Not Found"}
    assert client.get("/page/..%2fapp.py").status_code == 404


def test_a_model_without_labels_says_so_and_embeds(record):
    made = fitted_model.checkpoint()
    tensors = {name: t for name, t in made.tensors.items() if name.startswith("encoder.")}
    from anylead.checkpoint import Checkpoint
    from anylead.inference.model import Model

    model = Model(Checkpoint(tensors, {**made.description, "kind": "pretraining"}), "cpu")
    with TestClient(create_app(Service(model)), base_url="http://127.0.0.1") as client:
        assert client.post("/predict", json=as_json(record)).status_code == 409
        assert client.post("/embed", json=as_json(record)).status_code == 200
        assert client.post("/plot?report=true", json=as_json(record)).status_code == 200


def test_the_page_loads_nothing_from_elsewhere(client):
    index = client.get("/")
    assert "no medical device" in index.text
    assert "default-src 'none'" in index.headers["content-security-policy"]
    names = ["", "page/page.js", "page/paper.js", "page/api.js", "page/style.css", "page/icon.svg"]
    for name in names:
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text
        assert "https://" not in text
    assert json.loads(client.get("/health").text) == {"status": "ok"}


def test_an_eeg_is_refused_as_from_an_array(client, record):
    eeg = as_json(record, signal=record.signal[:3].tolist(), leads=["C3", "C4", "C5"])
    answer = client.post("/predict", json=eeg)
    assert answer.status_code == 422 and "electrode of an EEG" in answer.json()["error"]


def test_waves_are_those_of_delineate(record):
    model = load("ptbxl-small", device="cpu")
    with TestClient(create_app(Service(model)), base_url="http://127.0.0.1") as made:
        (found,) = made.post("/delineate", json=as_json(record)).json()["recordings"]
        (few,) = made.post("/delineate?use_leads=II", json=as_json(record)).json()["recordings"]
    expected = model.delineate(record)
    assert found["intervals"] == json.loads(json.dumps(expected.as_dict()["intervals"]))
    assert [wave["name"] for wave in found["waves"]] == [mark.name for mark in expected.waves]
    assert few["leads"] == ["II"] and set(few["intervals"]) == {"II", "global"}


def test_waves_without_a_decoder_are_refused(client, record):
    answer = client.post("/delineate", json=as_json(record))
    assert answer.status_code == 409 and "decoder of waves" in answer.json()["error"]


def test_the_json_of_a_kardia_is_a_recording_and_no_side_car(client, tmp_path):
    sample = SAMPLES["kardia_json"]["6 leads"](tmp_path)
    upload = ("file", ("recording.json", sample.path.read_bytes()))
    answer = client.post("/read", files=[upload])
    assert answer.status_code == 200 and answer.json()["leads"] == list(sample.leads)
    beside = client.post("/read", files=[("file", ("ecg.json", b'{"unit": "mV"}'))])
    assert beside.status_code == 422 and "no recording" in beside.json()["error"]


@pytest.mark.parametrize("name", ["anylead.json", "ecg.json"])
def test_what_a_request_states_goes_before_an_uploaded_side_car(client, record, name):
    content = io.BytesIO()
    np.save(content, record.signal)
    told = {"fs": 125, "leads": list(record.leads), "unit": "V", "age": 63}
    files = [
        ("file", ("ecg.npy", content.getvalue())),
        ("file", (name, json.dumps(told).encode())),
    ]
    stated = {"sample_rate": str(record.sample_rate), "unit": "mV"}
    found = client.post("/read", files=files, data=stated).json()
    assert found["sample_rate"] == record.sample_rate
    np.testing.assert_allclose(found["signal"], record.signal, atol=1e-3)
