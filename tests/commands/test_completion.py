import shutil
import subprocess
from dataclasses import MISSING
from importlib import import_module
from pathlib import Path

import pytest

from anylead.commands import completion, pretrain
from anylead.commands.cli import VERBS, build_parser


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script of two verbs; every verb is imported by another test."""
    words = {name: completion.options(recipe(name)) for name in ("prepare", "pretrain")}
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(completion.script("bash", words))
    return path


def recipe(verb):
    return import_module(f"anylead.commands.{VERBS[verb].module}").Recipe


def complete(script, *words):
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _anylead;"
        ' echo "${COMPREPLY[@]}"'
    )
    told = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    return told.stdout.split()


def test_bash_completes_verbs_options_and_values(script):
    assert complete(script, "anylead", "pre") == ["prepare", "pretrain"]
    assert complete(script, "anylead", "pretrain", "--train.ep") == ["--train.epochs"]
    assert complete(script, "anylead", "pretrain", "--train.precision", "b") == ["bf16"]
    assert complete(script, "anylead", "pretrain", "--train.resume", "t") == ["true"]


def test_bash_completes_files_where_no_value_is_known(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    assert complete(script, "anylead", "pretrain", "mi") == ["mine.yaml"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_loads_the_script():
    words = {"pretrain": completion.options(pretrain.Recipe)}
    code = "autoload -U compinit && compinit -u\n" + completion.script("zsh", words)
    told = subprocess.run(["zsh", "-fc", code], capture_output=True, text=True, check=False)
    assert told.stderr == ""


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_one_of_the_parser_with_its_default_and_has_help(verb):
    recipe_type = recipe(verb)
    parser = build_parser(verb, recipe_type)
    for option in completion.options(recipe_type):
        assert f"--{option.name}" in parser._option_string_actions
        assert option.help, option.name
        if option.default is MISSING:
            assert option.name in {"dataset", "model", "out", *VERBS[verb].positional}
        else:
            known = parser.get_default(option.name)
            assert as_plain(known) == as_plain(option.default), option.name


def as_plain(value):
    return str(value) if isinstance(value, Path) or hasattr(value, "relative") else value
