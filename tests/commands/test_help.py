"""Help in two floors, its examples, and that it needs no optional package."""

import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from anylead.commands import cli
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
