import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

import anylead
from anylead import datasets
from anylead.commands import embed, prepare
from anylead.errors import AnyleadError, RecipeError, StoreError
from anylead.inference import many
from anylead.inference.many import begin_or_go_on, do_part, finish, unfinished
from anylead.signals import PreprocessConfig
from interop import small_models

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(small_models.folder(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def records():
    return list(datasets.records("synthetic", num_patients=5, seconds=3.0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, records):
    """Ten recordings, and one file that is none."""
    path = tmp_path_factory.mktemp("ecgs")
    for i, record in enumerate(records):
        named = {"leads": np.array(record.leads), "sample_rate": 500.0, "unit": "mV"}
        np.savez(path / f"r{i}.npz", signal=record.signal, **named)
    (path / "broken.edf").write_bytes(b"0       not really")
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "store"
    options = {"num_patients": 5, "seconds": 3.0}
    config = PreprocessConfig(sample_rate=250.0)
    prepare.run(prepare.Recipe("synthetic", path, None, options, config, 1), QUIET)
    return path


def run(source, model, out, **settings):
    recipe = embed.Recipe(str(source), model, out, num_workers=1, records_per_part=3)
    embed.run(recipe.__class__(**{**vars(recipe), **settings}), QUIET)
    return pq.read_table(out)


def vectors(table):
    return np.array(table.column("vector").to_pylist(), np.float32)


def test_a_folder_becomes_one_row_per_recording(folder, model, records, tmp_path):
    table = run(folder, model, tmp_path / "a.parquet")
    assert table.column_names == ["record_id", "patient_id", "vector"]
    assert table.num_rows == 10
    expected = dict(
        zip([f"r{i}" for i in range(10)], anylead.load(model).embed(records), strict=True)
    )
    for name, vector in zip(table.column("record_id").to_pylist(), vectors(table), strict=True):
        stem = name.rpartition("/")[2].removesuffix(".npz")
        np.testing.assert_allclose(vector, expected[stem], atol=1e-5)


def test_what_cannot_be_read_is_listed_and_does_not_end_the_run(folder, model, tmp_path):
    run(folder, model, tmp_path / "a.parquet")
    lines = (tmp_path / "a.rejected.csv").read_text().splitlines()
    assert lines[0] == "record,reason"
    assert len(lines) == 2
    assert "broken" in lines[1]
    assert not (tmp_path / "a.parquet.parts").exists()


def test_a_store_gives_what_its_recordings_give(store, model, records, tmp_path):
    table = run(store, model, tmp_path / "a.parquet")
    expected = anylead.load(model).embed(records)
    np.testing.assert_allclose(vectors(table), expected, atol=2e-3)  # int16 in the store
    assert len(set(table.column("patient_id").to_pylist())) == 5


def test_layer_pool_and_leads_are_those_of_embed(store, model, records, tmp_path):
    table = run(store, model, tmp_path / "a.parquet", layer=1, pool="max", leads="I,II")
    expected = anylead.load(model).embed(records, layer=1, pool="max", use_leads="I,II")
    np.testing.assert_allclose(vectors(table), expected, atol=5e-3)


def test_a_store_prepared_for_something_else_is_refused(store, tmp_path):
    other = str(small_models.folder(tmp_path / "m", rate=500.0))
    with pytest.raises(StoreError, match=r"sample_rate 250\.0 \(the model has 500\.0\)"):
        run(store, other, tmp_path / "a.parquet")


def test_two_processes_give_what_one_gives(folder, model, tmp_path):
    one = run(folder, model, tmp_path / "one.parquet")
    two = run(folder, model, tmp_path / "two.parquet", num_workers=2)
    assert two.column("record_id").equals(one.column("record_id"))
    np.testing.assert_allclose(vectors(two), vectors(one), atol=1e-6)


def test_a_run_goes_on_where_it_stopped(folder, model, tmp_path):
    out = tmp_path / "a.parquet"
    recipe = embed.Recipe(str(folder), model, out, num_workers=1, records_per_part=3)
    job = embed.plan(recipe)
    begin_or_go_on(job)
    do_part(job, 2)
    done = job.part_file(2).stat().st_mtime_ns
    assert unfinished(job) == [0, 1, 3]
    begin_or_go_on(job)
    assert job.part_file(2).stat().st_mtime_ns == done
    embed.run(recipe, QUIET)
    whole = run(folder, model, tmp_path / "b.parquet")
    assert pq.read_table(out).equals(whole)
    written = out.stat().st_mtime_ns
    embed.run(recipe, QUIET)  # nothing is left to do
    assert out.stat().st_mtime_ns == written


def test_other_settings_never_mix_with_parts_that_are_there(folder, model, tmp_path):
    recipe = embed.Recipe(str(folder), model, tmp_path / "a.parquet", num_workers=1)
    begin_or_go_on(embed.plan(recipe))
    with pytest.raises(RecipeError, match=r"begun with other settings \(pool: 'mean', now 'max'\)"):
        run(folder, model, tmp_path / "a.parquet", pool="max", records_per_part=256)
    run(folder, model, tmp_path / "a.parquet", records_per_part=256)
    with pytest.raises(RecipeError, match="there already, made from something else"):
        run(folder, model, tmp_path / "a.parquet", layer=0, records_per_part=256)


def test_of_two_that_begin_at_once_with_other_settings_one_is_refused(folder, model, tmp_path):
    for turn in range(10):
        out = tmp_path / str(turn) / "a.parquet"
        jobs = [
            embed.plan(embed.Recipe(str(folder), model, out, num_workers=1, leads=leads))
            for leads in ("I", "II")
        ]
        together = Barrier(2)

        def begin(job, together=together):
            together.wait()
            try:
                begin_or_go_on(job)
            except RecipeError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(begin, jobs))
        assert said[0] == "" and "begun with other settings (use_leads" in said[1]
        assert [path.name for path in out.parent.iterdir()] == ["a.parquet.parts"]


def test_who_is_at_work_when_another_process_ends_the_same_takes_what_is_there(
    folder, model, tmp_path
):
    out = tmp_path / "a.parquet"
    job = embed.plan(embed.Recipe(str(folder), model, out, num_workers=1, records_per_part=3))
    begin_or_go_on(job)
    do_part(job, 0)
    run(folder, model, out)
    written = out.read_bytes()
    do_part(job, 1)
    many._write_part(job, 2, [], [])  # its vectors were ready when the folder went
    begin_or_go_on(job)
    assert unfinished(job) == []
    finish(job)
    assert out.read_bytes() == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "a.rejected.csv"]


def test_who_ends_last_does_not_replace_the_result_of_other_settings(folder, model, tmp_path):
    out = tmp_path / "a.parquet"
    job = embed.plan(embed.Recipe(str(folder), model, out, num_workers=1, leads="I"))
    begin_or_go_on(job)
    do_part(job, 0)
    run(folder, model, tmp_path / "b.parquet")
    (tmp_path / "b.parquet").replace(out)
    with pytest.raises(RecipeError, match="there already, made from something else"):
        finish(job)


def test_what_was_left_out_is_told_before_the_result_and_by_it_alone(
    folder, model, tmp_path, monkeypatch
):
    out, left_out = tmp_path / "a.parquet", tmp_path / "a.rejected.csv"

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(many, "_write_rejected", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(folder, model, out)
    assert not out.exists()
    run(folder, model, out)
    assert len(left_out.read_text().splitlines()) == 2
    out.unlink()
    run(folder / "r0.npz", model, out)
    assert not left_out.exists()


def test_parts_that_a_killed_run_left_beside_its_result_go(folder, model, tmp_path):
    out = tmp_path / "a.parquet"
    run(folder, model, out)
    (tmp_path / "a.parquet.parts").mkdir()
    run(folder, model, out)
    assert not (tmp_path / "a.parquet.parts").exists()


@pytest.mark.slow
def test_a_killed_run_leaves_parts_that_are_whole_and_no_result(folder, model, tmp_path):
    out = tmp_path / "a.parquet"
    code = "import sys; from anylead.commands.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        code,
        "embed",
        str(folder),
        model,
        "-o",
        str(out),
        "--records_per_part",
        "1",
        "--num_workers",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    parts = tmp_path / "a.parquet.parts"
    until = time.monotonic() + 60
    while not list(parts.glob("*.parquet")) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not out.exists():  # else it was faster than the signal
        assert all(pq.read_table(part).num_rows <= 1 for part in parts.glob("*.parquet"))
    table = run(folder, model, out, records_per_part=1)
    assert table.equals(run(folder, model, tmp_path / "b.parquet", records_per_part=1))


def test_the_result_says_how_it_was_made(folder, model, tmp_path):
    run(folder, model, tmp_path / "a.parquet", pool="max")
    made = json.loads(pq.read_schema(tmp_path / "a.parquet").metadata[b"anylead"])
    assert made["settings"]["pool"] == "max"
    assert made["model_sha256"] == anylead.load(model).fingerprint()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"source": "nowhere"}, "no such store or folder"),
        ({"dataset": "nothing"}, "dataset 'nothing'"),
        ({"pool": "median"}, "pool 'median'"),
        ({"records_per_part": 0}, "records_per_part 0"),
        ({"num_workers": -1}, "num_workers -1"),
        ({"model": "nowhere"}, "nowhere: no such file"),
    ],
)
def test_wrong_settings_are_one_clear_line(folder, model, tmp_path, settings, says):
    given = {"source": str(folder), "model": model, "out": tmp_path / "a.parquet", **settings}
    with pytest.raises(AnyleadError, match=says):
        embed.run(embed.Recipe(**given), QUIET)


def test_a_folder_without_one_good_recording_says_why(model, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.edf").write_bytes(b"0       not really")
    with pytest.raises(RecipeError, match="none of 1 recordings could be used; the first"):
        run(tmp_path / "bad", model, tmp_path / "a.parquet")


@pytest.mark.slow
@pytest.mark.timeout(400)  # workers of a cluster import torch one by one
@pytest.mark.usefixtures("cluster")
def test_a_ray_cluster_gives_what_one_process_gives(folder, model, tmp_path):
    by_ray = run(folder, model, tmp_path / "ray.parquet", engine="ray")
    alone = run(folder, model, tmp_path / "one.parquet")
    assert by_ray.column("record_id").equals(alone.column("record_id"))
    np.testing.assert_allclose(vectors(by_ray), vectors(alone), atol=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(400)  # workers of a cluster import torch one by one
@pytest.mark.usefixtures("cluster")
def test_a_store_prepared_on_a_ray_cluster_is_the_same_store(folder, tmp_path):
    made = [
        prepare.run(
            prepare.Recipe(
                "folder",
                tmp_path / engine,
                folder,
                records_per_shard=4,
                num_workers=1,
                engine=engine,
            ),
            QUIET,
        )
        for engine in ("ray", "processes")
    ]
    assert made[0] == made[1]
    assert made[0].num_records == 10
    assert made[0].num_rejected == 1


@pytest.mark.slow
@pytest.mark.timeout(400)  # workers of a cluster import torch one by one
@pytest.mark.usefixtures("cluster")
def test_a_mistake_found_by_a_worker_of_the_cluster_is_the_users_error(folder, model, tmp_path):
    recipe = embed.Recipe(str(folder), model, tmp_path / "a.parquet", layer=9, engine="ray")
    with pytest.raises(RecipeError, match="layer 9"):
        embed.run(recipe, QUIET)
