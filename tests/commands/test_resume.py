import sys
from types import ModuleType

import pytest

from anylead.commands import cli
from anylead.errors import RecipeError, StoppedError


@pytest.mark.parametrize(("error", "status"), [(StoppedError, 75), (RecipeError, 2)])
def test_a_stopped_run_has_another_status_than_a_mistake(monkeypatch, capsys, error, status):
    def fail(name, arguments, is_own_process):
        raise error("what happened")

    monkeypatch.setattr(cli, "run_verb", fail)
    assert cli.main(["pretrain"]) == status
    assert capsys.readouterr().err == "anylead pretrain: what happened\n"


def test_the_package_itself_is_the_command_as_torchrun_starts_it(monkeypatch):
    import runpy

    monkeypatch.setattr(sys, "argv", ["anylead", "--version"])
    assert isinstance(cli, ModuleType)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("anylead", run_name="__main__")
    assert ended.value.code == 0
