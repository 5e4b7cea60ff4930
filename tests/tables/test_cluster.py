"""The runs of a table on the cores of this machine, and on a Ray cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from anylead.commands import benchmark
from anylead.engines import threads
from anylead.errors import AnyleadError
from anylead.evaluation import Settings
from anylead.tables import running
from anylead.tables.jobs import Job, do_job_in
from anylead.tables.plan import Fit, Row
from synthetic_store import store_folder

RESNET = {"kind": "resnet1d", "size": "tiny"}
TABLE = benchmark.Recipe(
    rows=[
        Row("one", encoder=RESNET),
        Row("two", encoder=RESNET, finetune={"optimizer": {"learning_rate": 0.01}}),
    ],
    lead_sets=["12"],
    unseen=[],
    seeds=[0],
    finetune={"train": {"steps": 2, "batch_size": 16}},
    evaluate={"num_resamples": 30},
)


def test_a_run_for_each_core_but_no_more_than_can_be_at_work_together(monkeypatch):
    monkeypatch.setenv(threads.VARIABLE, "4")
    monkeypatch.setattr(running, "memory_bytes", lambda: 2**40)
    assert running.choose_devices("auto", 9) == ["cpu"] * 4
    assert running.choose_devices("auto", 3) == ["cpu"] * 3
    assert running.choose_devices("auto", 0) == ["cpu"]
    monkeypatch.setattr(running, "memory_bytes", lambda: 9 * 2**30)
    assert running.choose_devices("auto", 9) == ["cpu"] * 2
    monkeypatch.setattr(running, "memory_bytes", lambda: 2**30)
    assert running.choose_devices("auto", 9) == ["cpu"]
    assert running.choose_devices("cpu, cuda:1", 9) == ["cpu", "cuda:1"]


def test_a_machine_without_the_shared_folder_says_so(tmp_path):
    job = Job("finetune", tmp_path, Fit("a", {}, None), (), Settings(), False)
    with pytest.raises(AnyleadError, match="the machines of the cluster must share the folder"):
        do_job_in(tmp_path / "elsewhere", job, "cpu")


def test_seeds_made_apart_are_one_table(tmp_path):
    """As the jobs of a Slurm array make them (docs/cluster.md)."""
    table = replace(TABLE, store=str(store_folder()), cells=str(tmp_path / "cells"), devices="cpu")
    for seed in (0, 1):
        benchmark.run(replace(table, seeds=[seed], out=str(tmp_path / f"seed-{seed}")))
    both = replace(table, seeds=[0, 1], out=str(tmp_path / "table"), tables_only=True)
    for result in benchmark.run(both):
        assert len(result.by_seed) == 2


@pytest.mark.slow
@pytest.mark.timeout(900)  # workers of a cluster import torch one by one
@pytest.mark.usefixtures("cluster")
def test_a_cluster_makes_the_same_table_and_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    (tmp_path / "store").symlink_to(Path(store_folder()).absolute())
    monkeypatch.chdir(tmp_path)  # the workers start elsewhere
    recipe = replace(TABLE, store="store", out="table", engine="ray")
    by_ray = benchmark.run(recipe)
    alone = benchmark.run(replace(recipe, out="alone", engine="processes", devices="cpu"))
    assert [r.mean.value for r in by_ray] == pytest.approx([r.mean.value for r in alone], rel=1e-3)
    (lost, *_) = (tmp_path / "table" / "cells").glob("*.json")
    lost.unlink()
    capsys.readouterr()
    again = benchmark.run(recipe)
    assert [r.mean.value for r in again] == [r.mean.value for r in by_ray]
    assert "2 runs, 1 finished already" in capsys.readouterr().out
