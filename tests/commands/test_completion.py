import shutil
import subprocess
from importlib import import_module

import pytest

from anylead.commands import completion, pretrain
from anylead.commands.choices import values_of
from anylead.commands.cli import VERBS
from anylead.commands.options import options


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script of two verbs; every verb is imported by another test."""
    words = {name: options(recipe(name)) for name in ("prepare", "pretrain")}
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


def test_bash_completes_names_of_our_tables(script):
    assert complete(script, "anylead", "prepare", "pt") == ["ptbxl", "ptb"]
    assert "wav2vec2" in complete(script, "anylead", "pretrain", "--method", "wav")
    assert complete(script, "anylead", "pretrain", "--encoder.kind", "res") == ["resnet1d"]
    assert set(complete(script, "anylead", "pretrain", "--leads", "")) >= {"12", "6", "2", "1"}


def test_bash_completes_files_where_no_value_is_known(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    assert complete(script, "anylead", "pretrain", "mi") == ["mine.yaml"]


SHELLS = {"bash": ["bash", "--norc", "-c"], "zsh": ["zsh", "-fc"], "fish": ["fish", "-N", "-c"]}


@pytest.mark.parametrize("shell", [name for name in SHELLS if shutil.which(name)])
def test_every_shell_that_is_here_loads_the_script(shell):
    words = {"pretrain": options(pretrain.Recipe)}
    head = "autoload -U compinit && compinit -u\n" if shell == "zsh" else ""
    code = head + completion.script(shell, words)
    told = subprocess.run([*SHELLS[shell], code], capture_output=True, text=True, check=False)
    assert told.stderr == ""


def test_every_line_for_fish_is_one_command_with_closed_quotes():
    words = {verb: options(recipe(verb)) for verb in ("prepare", "pretrain", "serve")}
    lines = completion.script("fish", words).splitlines()
    assert all(line.startswith("complete -c anylead ") for line in lines)
    assert all(line.replace("\\'", "").count("'") % 2 == 0 for line in lines)
    (method,) = [line for line in lines if " -l method " in line]
    assert "wav2vec2_cmsc" in method and "seen_subcommand_from pretrain" in method


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_has_help_and_its_names_are_known(verb):
    for option in options(recipe(verb)):
        assert option.help, option.name
        default = option.default
        known = values_of(verb, option)
        if known and default is not None and isinstance(default, str) and " " not in default:
            assert default in ("", *known), option.name
