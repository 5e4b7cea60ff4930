"""Help in two floors, its examples, and that it needs no optional package."""

import json
import shlex
import subprocess
import sys
from dataclasses import MISSING
from importlib import import_module

import pytest

from anylead.commands import choices, cli
from anylead.commands.help import command_help, first_floor
from anylead.commands.options import options

every_verb = pytest.mark.parametrize("verb", cli.VERBS)


def module_of(verb):
    return import_module(f"anylead.commands.{cli.VERBS[verb].module}")


def placed(verb):
    return [name.removesuffix("...") for name in cli.VERBS[verb].positional]


def shown(verb, is_all):
    return command_help(verb, module_of(verb), cli.VERBS[verb].positional, is_all, 80)


@every_verb
def test_the_first_floor_is_a_dozen_options_that_exist(verb):
    names = {option.name for option in options(module_of(verb).Recipe)}
    first = first_floor(module_of(verb), placed(verb))
    assert set(first) <= names
    assert len(first) <= 14
    assert first or names <= set(placed(verb))


@every_verb
def test_help_fits_80_columns_and_all_of_it_names_every_option(verb):
    for is_all in (False, True):
        assert [line for line in shown(verb, is_all).splitlines() if len(line) > 80] == []
    for option in options(module_of(verb).Recipe):
        name = option.name.upper() if option.name in placed(verb) else f"--{option.name}"
        assert name in shown(verb, is_all=True)


@every_verb
def test_every_example_is_a_command_line_that_is_understood(verb, monkeypatch):
    monkeypatch.setattr("anylead.commands.arguments.read_yaml", lambda path: {})
    assert module_of(verb).EXAMPLES
    for example in module_of(verb).EXAMPLES:
        command, name, *words = shlex.split(example.partition(" >")[0])
        assert (command, name) == ("anylead", verb)
        cli.parse(verb, module_of(verb).Recipe, words)


OPTIONAL = [
    *("captum", "ecgdatakit", "edfio", "faiss", "fastapi", "fsspec", "h5py", "onnx"),
    *("onnxruntime", "pooch", "prometheus_client", "pydicom", "ray", "s3fs", "uvicorn"),
]


def test_help_of_every_command_needs_no_optional_package():
    code = (
        f"import sys\nsys.modules.update(dict.fromkeys({OPTIONAL}))\n"
        "from anylead.commands import cli\n"
        "sys.exit(max(cli.main([verb, '--help']) for verb in cli.VERBS))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.count("usage: anylead") == len(cli.VERBS)


@pytest.mark.parametrize(
    ("words", "is_all"),
    [(["--help"], False), (["-h"], False), (["--help", "all"], True), (["--help=all"], True)],
)
def test_help_says_how_to_see_the_rest(words, is_all, capsys):
    assert cli.main(["pretrain", *words]) == 0
    told = capsys.readouterr().out
    assert ("more options: anylead pretrain --help all" in told) != is_all
    assert ("--train.keep_last" in told) == is_all


def test_help_may_stand_first(capsys):
    assert cli.main(["help", "prepare"]) == 0
    assert "usage: anylead prepare DATASET [ROOT]" in capsys.readouterr().out


WORDS = {
    "augment": [{"name": "nosuch"}],
    "local_augment": [{"name": "nosuch"}],
    "method": "cmsc+nosuch",
    "lead_sets": "I,nosuch",
}


@every_verb
def test_a_word_of_no_table_is_refused_before_anything_is_opened(
    verb, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    found = options(module_of(verb).Recipe)
    needed = {option.name: "nothere" for option in found if option.default is MISSING}
    needed |= {"dataset": "folder"} if verb == "prepare" else {}
    for name in (option.name for option in found if not option.choices):
        if {name, f"{verb} {name}"} & choices.CHECKS.keys():
            values = {**needed, name: WORDS.get(name, "nosuch")}
            (tmp_path / "recipe.yaml").write_text(json.dumps(values))
            assert cli.main([verb, "recipe.yaml"]) == 2
            told = capsys.readouterr().err
            assert "nosuch" in told and "nothere" not in told and len(told.splitlines()) == 1


def test_a_missing_value_is_called_as_it_stands_in_the_usage(capsys):
    assert cli.main(["predict"]) == 2
    assert capsys.readouterr().err.startswith("anylead predict: SOURCE must be given: a store")
    assert cli.main(["convert", "model.pt"]) == 2
    assert capsys.readouterr().err.startswith("anylead convert: --out must be given: folder")


def test_a_misspelt_name_is_told_before_the_store_that_is_missing(capsys):
    for words, meant in {
        "pretrain --method wav2vec --data.store nothere": "wav2vec2",
        "pretrain --encoder.size tinny": "tiny",
        "finetune --task classfication": "classification",
        "finetune --train.device cudda": "cuda",
        "prepare ptbxll nothere --out store": "ptbxl",
        "download ptbxll": "ptbxl",
    }.items():
        assert cli.main(words.split()) == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err
