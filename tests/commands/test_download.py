import functools
import hashlib
import http.server
import shutil
import socket
import threading
import time
import zipfile
from pathlib import Path

import pytest

import corpora
from anylead import datasets
from anylead.commands import cli, download
from anylead.datasets import fetching
from anylead.datasets.sources import SOURCES, SUMS
from anylead.errors import DatasetError, RecipeError


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, knows Range, and can break off in the middle of a file."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        path = self.translate_path(self.path)
        if self.path in self.server.answers:
            content = self.server.answers[self.path]
        else:
            try:
                content = Path(path).read_bytes()
            except OSError:
                self.send_error(404)
                return
        begin = 0
        if self.headers.get("Range"):
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if begin and begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        most = self.server.breaks.get(self.path)
        self.wfile.write(content[begin:] if most is None else content[begin : begin + most])


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A mirror of a small PTB-XL."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(fetching, "_WAITS", (0.0,))
    monkeypatch.setattr(fetching, "_PIECE", 4096)
    root = tmp_path / "served"
    corpora.ptbxl(root)
    (root / SUMS).write_text(sums(root))
    handler = functools.partial(Handler, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        served.asked, served.breaks, served.answers, served.root = [], {}, {}, root
        served.url = f"http://127.0.0.1:{served.server_port}"
        thread = threading.Thread(target=served.serve_forever, args=(0.01,))
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def sums(root):
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root).as_posix()}\n"
        for path in paths
    )


def contents(root):
    paths = [path for path in root.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def closed_port():
    with socket.socket() as used:
        used.bind(("127.0.0.1", 0))
        return used.getsockname()[1]


def test_a_corpus_comes_whole_and_can_be_prepared(server, tmp_path):
    out = tmp_path / "ptbxl"
    assert cli.main(["download", "ptbxl", "-o", str(out), "--mirror", server.url]) == 0
    assert contents(out) == contents(server.root)
    assert len(list(datasets.records("ptbxl", out))) == len(corpora.RECORDS)


def test_a_second_run_fetches_the_list_alone(server, tmp_path):
    recipe = download.Recipe("ptbxl", tmp_path / "out", server.url)
    download.run(recipe)
    server.asked.clear()
    download.run(recipe)
    assert server.asked == [(f"/{SUMS}", None)]


def test_a_transfer_that_breaks_off_goes_on_in_the_middle_of_the_file(server, tmp_path):
    out, name = tmp_path / "out", "records500/00000/00003_hr.dat"
    whole = (server.root / name).read_bytes()
    server.breaks[f"/{name}"] = 5000
    with pytest.raises(DatasetError, match="cannot be reached"):
        download.run(download.Recipe("ptbxl", out, server.url))
    begun = (out / f"{name}.part").read_bytes()
    assert begun == whole[: len(begun)] and 4096 <= len(begun) < len(whole)
    assert not (out / name).exists()
    server.breaks.clear()
    server.asked.clear()
    download.run(download.Recipe("ptbxl", out, server.url))
    assert (f"/{name}", f"bytes={len(begun)}-") in server.asked
    assert contents(out) == contents(server.root)


def test_what_a_kill_could_leave_is_what_the_next_run_goes_on_with(server, tmp_path):
    out, seen = tmp_path / "out", set()
    files = fetching.parse_sums((server.root / SUMS).read_text(), f"{server.url}/")
    transfer = fetching.Transfer(out, lambda _: seen.update(contents(out)))
    for file in files:
        transfer.fetch(file)
    assert seen - {file.path for file in files} <= {f"{file.path}.part" for file in files}
    assert set(contents(out)) == {file.path for file in files}


def test_a_begun_file_of_another_content_is_fetched_from_the_start(server, tmp_path):
    out, name = tmp_path / "out", "records500/00000/00003_hr.dat"
    (out / name).parent.mkdir(parents=True)
    (out / f"{name}.part").write_bytes(b"x" * 777)
    (out / "records500/00000/00004_hr.dat.part").write_bytes(b"x" * 10**6)
    download.run(download.Recipe("ptbxl", out, server.url))
    assert contents(out) == contents(server.root)


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path, capsys):
    out, name = tmp_path / "out", "records500/00000/00002_hr.dat"
    server.answers[f"/{name}"] = b"something else"
    arguments = ["download", "ptbxl", "-o", str(out), "--mirror", server.url]
    assert cli.main(arguments) == 2
    assert f"{name} (its checksum is not the published one" in capsys.readouterr().err
    expected = contents(server.root)
    del expected[name]
    assert contents(out) == expected
    server.answers.clear()
    assert cli.main(arguments) == 0
    assert contents(out) == contents(server.root)


def test_a_file_that_was_changed_on_disk_is_fetched_again(server, tmp_path):
    recipe = download.Recipe("ptbxl", tmp_path / "out", server.url)
    download.run(recipe)
    (tmp_path / "out" / "ptbxl_database.csv").write_text("changed")
    download.run(recipe)
    assert contents(tmp_path / "out") == contents(server.root)


def test_a_missing_file_is_named_and_the_others_come(server, tmp_path):
    (server.root / "ptbxl_database.csv").unlink()
    with pytest.raises(DatasetError, match=r"ptbxl_database.csv \(the server answers 404"):
        download.run(download.Recipe("ptbxl", tmp_path / "out", server.url))
    assert (tmp_path / "out/records500/00000/00001_hr.dat").is_file()


def test_only_some_files_can_be_asked_for(server, tmp_path):
    only = ("*.csv", "records500/*")
    download.run(download.Recipe("ptbxl", tmp_path / "out", server.url, only=only))
    expected = {n: c for n, c in contents(server.root).items() if not n.startswith("records100")}
    assert contents(tmp_path / "out") == expected
    with pytest.raises(RecipeError, match="no such file"):
        download.run(download.Recipe("ptbxl", tmp_path / "out", server.url, only=("*.xyz",)))


def test_a_folder_is_a_mirror(server, tmp_path):
    download.run(download.Recipe("ptbxl", tmp_path / "out", str(server.root)))
    assert contents(tmp_path / "out") == contents(server.root)
    (server.root / "ptbxl_database.csv").write_text("damaged")
    with pytest.raises(DatasetError, match=r"ptbxl_database\.csv"):
        download.run(download.Recipe("ptbxl", tmp_path / "second", str(server.root)))


@pytest.mark.parametrize("kind", ["url", "folder"])
def test_a_mirror_without_a_list_is_told_how_to_make_one(kind, server, tmp_path):
    (server.root / SUMS).unlink()
    mirror = server.url if kind == "url" else str(server.root)
    with pytest.raises(DatasetError, match=r"has no SHA256SUMS.txt; make one there with"):
        download.run(download.Recipe("ptbxl", tmp_path / "out", mirror))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:/evil", "..\\evil"])
def test_a_list_cannot_write_outside_the_folder(name):
    with pytest.raises(DatasetError, match="is no checksum with a path below it"):
        fetching.parse_sums(f"{'0' * 64}  {name}\n", "http://mirror/")


def test_lists_are_read_in_both_usual_spellings():
    text = f"{'a' * 64}  ./x y.dat\n{'B' * 64} *d/z.hea\n"
    assert [(f.path, f.address, f.checksum) for f in fetching.parse_sums(text, "http://m/")] == [
        ("x y.dat", "http://m/x%20y.dat", f"sha256:{'a' * 64}"),
        ("d/z.hea", "http://m/d/z.hea", f"sha256:{'b' * 64}"),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "no-such-host.invalid"])
def test_without_a_network_it_says_what_to_fetch_by_hand(host, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("no_proxy", "*")
    address = f"http://{host.format(port=closed_port())}"
    monkeypatch.setattr("anylead.datasets.sources.PHYSIONET", (address, address))
    begin = time.monotonic()
    assert cli.main(["download", "ptbxl", "-o", str(tmp_path / "out")]) == 2
    assert time.monotonic() - begin < 15
    error = capsys.readouterr().err.strip().splitlines()[-1]
    for told in ("cannot be reached", SOURCES["ptbxl"].page, "wget", str(tmp_path / "out")):
        assert told in error


def test_without_a_network_it_names_the_files_of_zenodo(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    from pooch.downloaders import ZenodoRepository

    monkeypatch.setattr(ZenodoRepository, "base_api_url", f"http://127.0.0.1:{closed_port()}")
    with pytest.raises(DatasetError, match=r"zenodo.org/records/4916206 \(exams.csv, exams_part"):
        download.run(download.Recipe("code15", tmp_path / "out"))


def test_parts_of_zenodo_are_checked_and_unpacked(server, tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    import json

    from pooch.downloaders import ZenodoRepository

    made = tmp_path / "code15"
    corpora.code15(made)
    files = []
    for path in sorted(made.iterdir()):
        target = server.root / path.name
        if path.suffix == ".hdf5":
            target = target.with_suffix(".zip")
            with zipfile.ZipFile(target, "w") as packed:
                packed.write(path, f"somewhere/{path.name}")
        else:
            shutil.copy(path, target)
        files.append({
            "key": target.name, "checksum": f"md5:{hashlib.md5(target.read_bytes()).hexdigest()}",
            "links": {"self": f"{server.url}/{target.name}"},
        })  # fmt: skip
    server.answers["/api/4916206"] = json.dumps({"id": 4916206, "files": files}).encode()
    monkeypatch.setattr(ZenodoRepository, "base_api_url", f"{server.url}/api")
    out = tmp_path / "out"
    download.run(download.Recipe("code15", out))
    for path in made.iterdir():
        assert (out / path.name).read_bytes() == path.read_bytes()


def test_an_unknown_name_is_answered_with_the_known_ones(capsys):
    assert cli.main(["download", "ptbx", "-o", "nowhere"]) == 2
    error = capsys.readouterr().err
    assert "name 'ptbx'; known are" in error and "ptbxl, physionet2021" in error


def test_without_a_name_the_corpora_are_listed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["download"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in SOURCES)


def test_every_corpus_that_can_be_prepared_can_be_downloaded():
    assert set(SOURCES) == set(datasets.DATASETS) - {"folder", "synthetic"}
    for source in SOURCES.values():
        assert bool(source.addresses) != bool(source.dois)


@pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.project])
def test_what_is_fetched_of_a_corpus_is_what_its_adapter_reads(name, tmp_path):
    root, out = tmp_path / "served", tmp_path / "out"
    corpora.LAYOUTS[name](root)
    (root / "answers.mat").write_bytes(b"of no use")
    (root / SUMS).write_text(sums(root))
    source = SOURCES[name]
    assert source.page == f"https://physionet.org/content/{source.project}/"
    files = download.wanted(fetching.parse_sums((root / SUMS).read_text(), ""), source, ())
    assert bool(source.files) != ("answers.mat" in {file.path for file in files})
    for packed, folder in source.unpack.items():
        with zipfile.ZipFile(root / packed, "w") as archive:
            for path in sorted((root / folder).iterdir()):
                archive.write(path, f"{folder}/{path.name}")
        shutil.rmtree(root / folder)
    (root / SUMS).write_text(sums(root))
    download.run(download.Recipe(name, out, str(root)))
    corpora.LAYOUTS[name](tmp_path / "whole")
    wanted = [record_id for record_id, _ in datasets.corpus(name, tmp_path / "whole").items]
    assert [record_id for record_id, _ in datasets.corpus(name, out).items] == wanted
    said = download.by_hand(download.Recipe(name), source, out, "no network")
    assert all(folder in said for folder in source.unpack.values())


def test_two_runs_in_one_folder_do_not_mix(server, tmp_path):
    from filelock import FileLock

    out = tmp_path / "out"
    out.mkdir()
    with (
        FileLock(out / ".anylead-download.lock"),
        pytest.raises(DatasetError, match="another download is at work"),
    ):
        download.run(download.Recipe("ptbxl", out, server.url))
