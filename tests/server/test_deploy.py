"""What stands in deploy/ names options and extras that exist."""

import configparser
import re
import shlex
import tomllib
from pathlib import Path

import yaml

from anylead.commands import serve
from anylead.commands.cli import VERBS, parse

ROOT = Path(__file__).parents[2]


def recipe_of(words):
    assert words[0] == "serve"
    assert "serve" in VERBS
    return parse("serve", serve.Recipe, words[1:])


def test_the_image_serves_with_extras_that_exist():
    text = (ROOT / "deploy/Dockerfile").read_text()
    extras = re.search(r"/source\[([^]]+)\]", text)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    for line in re.findall(r"^COPY (.+)$", text, flags=re.M):
        assert all((ROOT / name).exists() for name in line.split()[:-1])
    command = yaml.safe_load(re.search(r"^CMD (\[\"serve.+\])$", text, flags=re.M)[1])
    assert recipe_of(command).host == "0.0.0.0"


def test_compose_gives_a_token_and_is_open_to_this_machine_only():
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    assert set(services) == {"cpu", "cuda"}
    for service in services.values():
        assert recipe_of(service["command"]).token_file == Path("/run/secrets/token")
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_the_unit_gives_a_token_and_stays_on_the_loopback():
    unit = configparser.ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str
    unit.read(ROOT / "deploy/anylead.service")
    words = shlex.split(unit["Service"]["ExecStart"])
    recipe = recipe_of(words[1:])
    assert recipe.token_file is not None
    assert recipe.host == "127.0.0.1"
