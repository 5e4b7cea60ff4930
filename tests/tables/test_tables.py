"""One recipe -> runs -> cells -> tables."""

import csv
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import sleep

import numpy as np
import pytest
from scipy.stats import sem
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from anylead.commands import benchmark
from anylead.commands.benchmark import make_grid
from anylead.errors import RecipeError, StoppedError
from anylead.store import Store
from anylead.store.files import alone
from anylead.tables import jobs, output, plan, running
from anylead.tables.check import Wanted, check
from anylead.tables.jobs import Job, Outcome
from anylead.tables.plan import Row, build_recipe, make_plan, merge
from anylead.tables.segments import split_by_segment
from synthetic_store import open_store, store_folder

TINY = {
    "size": "tiny",
    "overrides": {
        "conv_layers": [[8, 4, 4], [8, 2, 2]],
        "dim": 8,
        "num_layers": 1,
        "ffn_dim": 8,
        "conv_pos_kernel": 8,
        "conv_pos_groups": 2,
    },
}
RLM = [{"name": "random_lead_mask"}]


def recipe(out="unused", **changes):
    made = benchmark.Recipe(
        out=str(out),
        store=str(store_folder()),
        rows=[Row("random"), Row("CMSC+RLM", pretrain={"method": "cmsc", "augment": RLM})],
        lead_sets=["12", "2"],
        unseen=[],
        seeds=[0],
        pretrain={"train": {"steps": 2, "batch_size": 8}},
        finetune={
            "train": {"epochs": 1, "batch_size": 16},
            "optimizer": {"learning_rate": 0.01},
        },
        encoder=TINY,
        evaluate={"num_resamples": 30},
        devices="cpu",
    )
    return replace(made, **changes)


def plan_of(**changes):
    made = recipe(**changes)
    return make_plan(make_grid(made, made.store))


def checked(**changes):
    made = recipe(**changes)
    settings = benchmark.make_settings(made.evaluate)
    benchmark.make_judging(made, settings)
    return check(plan_of(**changes), Wanted(settings, made.scores, ["cpu"]))


def test_cells_share_what_is_the_same_and_nothing_else():
    both = plan_of(training=["padded", "per_lead_set"], seeds=[0, 1])
    # CMSC+RLM: one padded (the 12 leads of per_lead_set are the same run) and one on leads 2.
    assert len(both.pretrainings) == 4
    assert len(both.finetunings) == 8
    assert len(both.cells) == 2 * 2 * (1 + 2)
    twelve = [cell.fit for cell in both.cells if "12" in cell.lead_sets and cell.seed == 0]
    assert len(twelve) == 4 and len(set(twelve)) == 2


def test_a_model_for_one_lead_set_sees_these_leads_only_from_pretraining_on():
    made = plan_of(training=["per_lead_set"], lead_sets=["2"])
    (before,) = made.pretrainings.values()
    assert before.values["leads"] == "2"
    assert {fit.values["leads"] for fit in made.finetunings.values()} == {"2"}


def test_models_for_each_lead_set_can_share_one_pretraining_on_all_leads():
    made = plan_of(training=["finetuned_per_lead_set"], lead_sets=["12", "2"])
    (before,) = made.pretrainings.values()
    assert "leads" not in before.values
    pretrained = [fit for fit in made.finetunings.values() if fit.after == before.key]
    assert sorted(fit.values["leads"] for fit in pretrained) == ["12", "2"]


def test_an_encoder_of_another_kind_inherits_nothing():
    rows = [Row("ResNet", encoder={"kind": "resnet1d", "size": "tiny"})]
    made = plan_of(rows=rows, finetune_encoder={"dropout": 0.0})
    (fit,) = made.finetunings.values()
    assert fit.values["model"]["encoder"] == {"kind": "resnet1d", "size": "tiny", "overrides": {}}


def test_fractions_and_options_are_runs_of_their_own():
    rows = [Row("plain"), Row("knows", encoder={"overrides": {"knows_leads": True}})]
    assert len(plan_of(rows=rows, fractions=[1.0, 0.5]).finetunings) == 4
    rows[1] = replace(rows[1], fractions=[0.5])
    assert len(plan_of(rows=rows, fractions=[1.0, 0.5]).finetunings) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": []}, "asks for no run"),
        ({"rows": [Row("a"), Row("a")]}, "a name stands twice"),
        ({"training": ["both"]}, "'both'; known are padded, per_lead_set, finetuned_per_lead_set"),
        ({"rows": [Row("a", tasks=["age"])]}, "no task age"),
        ({"finetune": {"epochz": 3}}, "finetune: .*epochz"),
        ({"pretrain": {"train": {"steps": "many"}}}, "pretrain: .*steps"),
        ({"finetune": {"teacher": {"models": ["gone"]}}}, "gone: no such file, folder or model"),
        ({"evaluate": {"resamples": 3}}, "evaluate: resamples: no such key.* num_resamples"),
        ({"evaluate": {"level": "segment"}}, "evaluate: level: .* did you mean segments"),
        ({"evaluate": {"num_resamples": 0}}, "num_resamples 0; want 1 or more"),
        ({"reference": "nobody"}, "reference: no row 'nobody'; there are"),
        ({"margin": -0.1}, "margin -0.1; want 0 or more"),
        ({"scores": {"age": "r2"}}, "scores: task 'age'; known are"),
        ({"published": {"age": {"a": [1.0]}}}, "published: task 'age'; known are"),
    ],
)
def test_a_mistake_is_told_before_the_first_run(changes, message):
    with pytest.raises(RecipeError, match=message):
        checked(**changes)


def test_merging_keeps_what_is_not_changed():
    base = {"a": {"x": 1, "y": {"z": 2}}, "b": [1]}
    assert merge(base, {"a": {"y": {"w": 3}}, "b": [2]}) == {
        "a": {"x": 1, "y": {"z": 2, "w": 3}},
        "b": [2],
    }
    assert base["a"]["y"] == {"z": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    results = benchmark.run(recipe(out, seeds=[0, 1], training=["padded", "per_lead_set"]))
    return out, results


def test_every_row_and_lead_set_has_a_number(finished):
    out, results = finished
    places = {
        (r.place.row, r.place.training, r.place.lead_set) for r in results if r.score == "auroc"
    }
    assert len(places) == 2 * 2 * 2
    with (out / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["split"] for row in rows} == {"patients"}
    assert {row["num_seeds"] for row in rows} == {"2"}
    markdown, html = (out / "table.md").read_text(), (out / "report.html").read_text()
    assert "| CMSC+RLM | per_lead_set |" in markdown and markdown.count("**") >= 4
    assert "CMSC+RLM" in html and "<svg" in html and "leak" not in html.lower()
    assert {float(row["gigaflops"]) for row in rows if row["row"] == "random"} == {
        results[0].cost.gigaflops
    }
    for text in (markdown, html):
        assert "GFLOP" in text and f"{results[0].cost.megabytes:.3g}" in text and "CPU" in text


def test_the_interval_over_seeds_alone_stands_beside_that_over_patients(finished):
    out, results = finished
    markdown = (out / "table.md").read_text()
    assert "Over seeds alone (mean ± half of the 95 % interval):" in markdown
    main = [r for r in results if r.is_main and r.place.row == "random"]
    for result in main:
        low, high = student.interval(0.95, 1, np.mean(result.by_seed), sem(result.by_seed))
        assert f"{np.mean(result.by_seed):.3f} ± {(high - low) / 2:.3f}" in markdown
        assert result.mean.low <= result.mean.value <= result.mean.high


def test_published_numbers_stand_beside_the_own_and_are_called_so(finished):
    out, _ = finished
    wanted = recipe(out, seeds=[0, 1], training=["padded", "per_lead_set"], tables_only=True)
    benchmark.run(replace(wanted, published={"diagnosis": {"W2V": [0.714, None]}}))
    markdown = (out / "table.md").read_text().partition(f"{output.PUBLISHED}:")[2]
    assert "| W2V | 0.714 | – |" in markdown
    assert output.PUBLISHED in (out / "report.html").read_text()


def test_a_number_is_the_mean_over_seeds_of_the_score_of_the_kept_predictions(finished):
    out, results = finished
    result = next(
        r for r in results if r.score == "auroc" and r.place.row == "random" and r.is_main
    )
    made = plan_of(seeds=[0, 1])
    values = []
    for cell in made.cells:
        if cell.row == "random":
            with np.load(out / "cells" / f"{cell.fit}.npz") as file:
                label = file[f"{result.place.lead_set}/label"]
                probability = file[f"{result.place.lead_set}/probability"]
            known = (label.sum(0) > 0) & (label.sum(0) < len(label))
            values.append(roc_auc_score(label[:, known], probability[:, known]))
    assert result.by_seed == pytest.approx(values)
    assert result.mean.value == pytest.approx(np.mean(values))


def test_each_row_is_compared_with_the_reference_of_its_column(finished):
    _, results = finished
    for column in {r.place.column for r in results}:
        main = [r for r in results if r.is_main and r.place.column == column]
        (reference,) = (r for r in main if r.is_reference)
        assert (reference.place.row, reference.place.training) == ("random", "padded")
        for result in main:
            if result is not reference:
                gap = result.mean.value - reference.mean.value
                assert result.against.value == pytest.approx(gap)
                assert result.against.low <= gap <= result.against.high


def test_another_reference_and_a_margin_are_the_recipes_choice(finished):
    out, _ = finished
    wanted = recipe(out, seeds=[0, 1], training=["padded", "per_lead_set"], tables_only=True)
    results = benchmark.run(replace(wanted, reference="CMSC+RLM", margin=2.0))
    main = [r for r in results if r.is_main]
    assert {r.place.row for r in main if r.is_reference} == {"CMSC+RLM"}
    assert all(r.against.is_equivalent for r in main if r.against)
    assert "≈ : equivalent" in (out / "table.md").read_text()
    with pytest.raises(RecipeError, match="no row 'W2V'; there are random, CMSC"):
        benchmark.run(replace(wanted, reference="W2V"))


def test_a_second_run_repeats_nothing(finished, monkeypatch):
    out, results = finished

    def fail(*_):
        raise AssertionError("a finished run was repeated")

    monkeypatch.setattr(running, "do_job", fail)
    again = benchmark.run(recipe(out, seeds=[0, 1], training=["padded", "per_lead_set"]))
    assert [r.mean for r in again] == [r.mean for r in results]


def test_a_killed_benchmark_goes_on_with_what_is_missing(tmp_path, monkeypatch):
    done = []
    real = running.do_job

    def killed(job, device):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(job.fit.key)
        return real(job, device)

    monkeypatch.setattr(running, "do_job", killed)
    with pytest.raises(KeyboardInterrupt):
        benchmark.run(recipe(tmp_path))
    rest = []

    def counted(job, device):
        rest.append(job.fit.key)
        return real(job, device)

    monkeypatch.setattr(running, "do_job", counted)
    results = benchmark.run(recipe(tmp_path))
    assert len(done) == 2 and len(rest) == 1 and not set(done) & set(rest)
    assert len([r for r in results if r.is_main]) == 4


def test_benchmarks_at_once_make_a_run_that_both_want_once(tmp_path, monkeypatch):
    job = Job("pretrain", tmp_path, plan.Fit("a", {}, None), (), benchmark.make_settings({}), False)
    made, begun = [], threading.Event()

    def slowly(job, device, started):
        made.append(device)
        begun.set()
        sleep(0.2)
        jobs._write(jobs.done_file(job), {"recipe": {}, "seconds": 1.0, "steps": 1})

    monkeypatch.setattr(jobs, "_pretrain", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(jobs.do_job, job, "first")
        assert begun.wait(10)
        second = pool.submit(jobs.do_job, job, "second")
        assert [first.result().error, second.result().error] == ["", ""]
    assert made == ["first"]
    assert not list(tmp_path.rglob(".*"))


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path, capsys):
    bad = {"optimizer": {"learning_rate": 1e30}, "train": {"epochs": 30}}
    results = benchmark.run(recipe(tmp_path, rows=[Row("good"), Row("bad", finetune=bad)]))
    assert {r.place.row for r in results} == {"good"}
    assert "FAILED" in capsys.readouterr().out
    assert "bad, diagnosis, padded 12/2, seed 0" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
def test_runs_go_to_several_devices_at_once(tmp_path):
    results = benchmark.run(recipe(tmp_path, devices="cpu,cpu"))
    alone = benchmark.run(recipe(tmp_path / "alone"))
    assert [r.mean.value for r in results] == pytest.approx([r.mean.value for r in alone], rel=1e-3)


def test_fine_tuning_starts_from_the_shared_checkpoint(finished):
    out, _ = finished
    cells = [json.loads(path.read_text()) for path in (out / "cells").glob("*.json")]
    after = {cell["pretraining"] for cell in cells}
    assert after - {None} == {path.name for path in (out / "pretrain").iterdir()}
    assert not list(out.rglob("resume-*"))
    assert not list((out / "finetune").glob("*/model.safetensors"))


def test_a_split_by_segment_leaks_and_says_so(tmp_path):
    store = open_store()
    split_by_segment(store, tmp_path / "leaking", 5.0)
    leaking = Store.open(tmp_path / "leaking")
    assert leaking.num_records == 2 * store.num_records
    splits = leaking.split_rows(scheme="official")
    patients = {name: set(leaking.patient[rows].tolist()) for name, rows in splits.items()}
    assert patients["train"] & patients["test"]
    row = int(np.flatnonzero(leaking.record_id == f"{store.record_id[3]}#1")[0])
    signal = leaking.read(np.array([row]), np.array([0]), 500)[0] * leaking.scale[row][:, None]
    whole = store.read(np.array([3]), np.array([500]), 500)[0] * store.scale[3][:, None]
    np.testing.assert_allclose(signal, whole, atol=1e-3)
    task = next(iter(store.manifest.label_names))
    assert (leaking.labels(task)[0][row] == store.labels(task)[0][3]).all()


def test_tables_of_a_leaking_split_are_labelled(tmp_path):
    benchmark.run(recipe(tmp_path, rows=[Row("random")], split_by="segments"))
    with (tmp_path / "table.csv").open() as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"segments (leaks)"}
    assert "LEAKS" in (tmp_path / "table.md").read_text()
    assert "LEAKS" in (tmp_path / "report.html").read_text()


def test_the_expected_time_follows_from_the_runs_done(tmp_path):
    made = [job(tmp_path, str(i), num_steps=100 * (1 + (i == 3))) for i in range(4)]
    clock = running.Clock(made, num_devices=1)
    assert clock.summary() == "4 runs, 0 finished already"
    assert clock.tell(Outcome(made[0], 60.0)) == "[1/4] row 0 0: 60 s; about 4.0 min left"
    assert "about 4.5 min left" in clock.tell(Outcome(made[1], 120.0))
    assert "FAILED: why" in clock.tell(Outcome(made[2], 1.0, "why"))


def job(folder, key, after=None, num_steps=10):
    fit = plan.Fit(key, {}, after)
    return Job("finetune", folder, fit, (), None, False, f"row {key}", num_steps)


def test_a_run_is_ready_once_its_own_pretraining_is_finished(tmp_path):
    made = [
        job(tmp_path, "a"),
        job(tmp_path, "b"),
        job(tmp_path, "a1", "a"),
        job(tmp_path, "b1", "b"),
    ]
    queue = running.Queue(made)
    assert [queue.take().fit.key, queue.take().fit.key, queue.take()] == ["a", "b", None]
    queue.end(Outcome(made[1], 1.0))
    assert queue.take().fit.key == "b1"  # a is still at work
    queue.end(Outcome(made[0], 1.0, "no"))
    assert queue.take() is None
    assert queue.failed == {"a": "no", "a1": "its pre-training a failed"}


def test_what_another_benchmark_is_at_comes_last(tmp_path):
    made = [job(tmp_path / "cells", "a"), job(tmp_path / "cells", "b")]
    queue = running.Queue(made)
    with alone(made[0].run_folder):
        assert [queue.take(), queue.take(), queue.take()] == [made[1], made[0], None]
    assert running.Queue(made).take() == made[0]


def test_a_run_tells_how_far_it_is(tmp_path):
    made = job(tmp_path, "a", num_steps=200)
    assert running.progress(made, (0.0, 0), 60.0) == "  row a: step 0 of 200"
    made.run_folder.mkdir(parents=True)
    (made.run_folder / "log.csv").write_text("step,loss\n10,2.0\n50,1.0\n")
    assert running.progress(made, (0.0, 0), 60.0) == "  row a: step 50 of 200, about 3.0 min left"
    (made.run_folder / "log.csv").write_text("step,loss\n200,1.0\n")
    assert running.progress(made, (0.0, 0), 60.0) == "  row a: trained, being scored"


def test_a_long_run_is_never_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "SECONDS_BETWEEN_LINES", 0.05)
    lines = []

    def slow(job, device):
        sleep(0.3)
        return Outcome(job, 0.3)

    monkeypatch.setattr(running, "do_job", slow)
    running.run_all([job(tmp_path, "a")], ["cpu"], lines.append)
    assert sum("row a: step 0 of 10" in line for line in lines) >= 2


def test_a_signal_says_that_the_same_command_goes_on(tmp_path, monkeypatch):
    def stopped(*_):
        raise StoppedError(
            "stopped by SIGTERM after step 3; --train.resume true goes on from there"
        )

    monkeypatch.setattr(running, "do_job", stopped)
    with pytest.raises(StoppedError, match="step 3; the same benchmark command goes on"):
        benchmark.run(recipe(tmp_path))


def test_cells_belong_to_the_data_and_not_to_the_path():
    grid = make_grid(recipe(), "store")
    keys = [
        set(make_plan(replace(grid, store=path, content_of=hashes.get)).finetunings)
        for path, hashes in (
            ("store", {"store": "first"}),
            ("store", {"store": "second"}),
            ("elsewhere", {"elsewhere": "first"}),
        )
    ]
    assert not keys[0] & keys[1]
    assert keys[0] == keys[2]


def test_what_only_the_machine_decides_makes_no_other_run():
    plain = plan_of()
    small = plan_of(
        pretrain={"train": {"steps": 2, "batch_size": 8, "accumulate": 2, "recompute": True}}
    )
    assert plain.pretrainings.keys() == small.pretrainings.keys()
    other = plan_of(evaluate={"num_draws": 3})
    assert not plain.finetunings.keys() & other.finetunings.keys()


def test_unseen_lead_sets_are_columns_of_one_model_for_all(tmp_path):
    made = plan_of(unseen=["II"], training=["padded", "finetuned_per_lead_set"])
    for cell in made.cells:
        assert ("II" in cell.lead_sets) == (cell.training == "padded")
    assert benchmark.UNSEEN == ("II", "V1", "V1,V2,V3,V4,V5,V6", "I,V2")
    assert [output.short_name(name) for name in benchmark.UNSEEN] == ["II", "V1", "V1-V6", "I+V2"]


def test_a_recipe_is_built_as_the_command_line_builds_it():
    from anylead.commands import finetune

    made = build_recipe(finetune.Recipe, {"train": {"epochs": 3}, "leads": "2"})
    assert (made.train.epochs, made.leads) == (3, "2")


def test_a_task_may_have_shares_of_its_own():
    tasks = {"diagnosis": {"fractions": [1.0, 0.5]}, "again": {"labels": {"task": "rhythm"}}}
    made = plan_of(tasks=tasks, rows=[Row("random")])
    shares = {(cell.task, cell.fraction) for cell in made.cells}
    assert shares == {("diagnosis", 1.0), ("diagnosis", 0.5), ("again", 1.0)}
    assert not [fit for fit in made.finetunings.values() if "fractions" in fit.values]


def test_a_whole_table_of_one_seed_comes_before_the_next_and_each_run_behind_its_pretraining(
    tmp_path,
):
    made = plan_of(seeds=[0, 1, 2], training=["finetuned_per_lead_set"])
    runs = running.make_jobs(made, tmp_path, benchmark.make_settings({}), False, {})
    seeds = [run.fit.values["train"]["seed"] for run in runs]
    assert seeds == sorted(seeds) and len(runs) == 3 * (1 + 2 * 2)
    place = {run.fit.key: i for i, run in enumerate(runs)}
    assert all(place[run.fit.after] < place[run.fit.key] for run in runs if run.fit.after)
    assert [run.kind for run in runs[:4]] == ["finetune", "finetune", "pretrain", "finetune"]


@pytest.mark.parametrize("keeps_runs", [False, True])
def test_a_cell_has_thresholds_for_its_own_columns(tmp_path, monkeypatch, keeps_runs):
    """Also for the unseen; a model that is kept has those of all named sets."""
    asked = []

    def told(recipe):
        asked.append(recipe.threshold_sets)
        raise RecipeError("enough")

    monkeypatch.setattr(jobs.finetune, "run", told)
    made = plan_of(rows=[Row("random")], unseen=["II"])
    for each in running.make_jobs(made, tmp_path, benchmark.make_settings({}), keeps_runs, {}):
        assert jobs.do_job(each, "cpu").error == "enough"
    assert asked == [None if keeps_runs else "12 2 II"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lead_sets": []}, "lead_sets"),
        ({"lead_sets": ["I,II", "II,I"]}, "lead_sets: II,I is I,II again; name it once"),
        ({"lead_sets": ["2", "I,II"]}, "lead_sets: I,II is 2 again"),
        ({"unseen": ["V1", "V1"]}, "unseen: V1 is V1 again"),
        ({"seeds": [0, 1, 0]}, "seeds: 0 is 0 again"),
        ({"fractions": [1.0, 1.0]}, "fractions: 1.0 is 1.0 again"),
        ({"training": ["padded", "padded"]}, "training: padded is padded again"),
    ],
)
def test_nothing_counts_twice_in_a_table_and_it_has_columns(changes, told):
    with pytest.raises(RecipeError, match=told):
        plan_of(**changes)


def test_an_unseen_set_that_is_a_column_by_another_name_is_no_second_column():
    made = plan_of(lead_sets=["12", "2"], unseen=["II,I", "V1"])
    assert {cell.lead_sets for cell in made.cells} == {("12", "2", "V1")}


def test_one_seed_that_looks_like_a_number_of_seeds_is_told(tmp_path, capsys):
    benchmark.run(recipe(tmp_path, seeds=[3], check_only=True))
    assert "seeds: one seed, 3; 3 seeds would be [0, ..., 2]" in capsys.readouterr().out
