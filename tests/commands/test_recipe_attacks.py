"""Recipes from anywhere: values only, and never more of them than one can read."""

import contextlib
import os
import sys

import pytest

from anylead.commands import cli, prepare, recipe_files
from anylead.errors import AnyleadError, RecipeError

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def parse(*arguments, recipe=prepare.Recipe, verb="prepare"):
    return cli.parse(verb, recipe, [str(argument) for argument in arguments])


@pytest.fixture
def evil(tmp_path, monkeypatch):
    """A module that tells when it is imported."""
    (tmp_path / "evil_module.py").write_text("class Recipe: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "evil_module.Recipe"
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("place", ["preprocess: {}", "options: {{a: {}}}", "engine: {}"])
def test_a_class_path_in_a_recipe_imports_nothing(place, evil, tmp_path):
    path = tmp_path / "recipe.yaml"
    text = f"{{class_path: {evil}, init_args: {{}}}}"
    path.write_text(f"dataset: synthetic\nout: s\n{place.format(text)}\n")
    with contextlib.suppress(AnyleadError):
        parse(path)  # at most it is a value like any other


@pytest.mark.parametrize(
    "arguments",
    [
        ["--preprocess", "{{class_path: {}}}"],
        ["--preprocess.class_path", "{}"],
        ["--preprocess.class_path={}"],
        ["--options", '{{"x": {{"class_path": "{}"}}}}'],
        ["--options", "!!python/name:{} ''"],
    ],
)
def test_a_class_path_on_the_command_line_imports_nothing(arguments, evil):
    filled = [argument.format(evil) for argument in arguments]
    with contextlib.suppress(AnyleadError):
        parse("synthetic", "-o", "s", *filled)


def test_aliases_do_not_unfold_without_end(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(LAUGHS)
    with pytest.raises(RecipeError, match="more than"):
        parse(path)
    with pytest.raises(RecipeError, match="more than"):
        parse("synthetic", "-o", "s", "--options", LAUGHS)
    path.write_text("options: &a [*a]\n")
    with pytest.raises(RecipeError, match="more than"):
        parse(path)


def test_a_few_aliases_are_fine(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("dataset: synthetic\nout: s\noptions: {a: &a [1, 2], b: *a}\n")
    assert parse(path).options == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)])
def test_a_recipe_is_a_plain_file(make, tmp_path):
    make(tmp_path / "recipe.yaml")
    with pytest.raises(RecipeError, match="name a file"):
        parse(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("text", ["[" * 10_000, "a: [1, 2", "\x00", "x" * (2**20 + 1)])
def test_what_is_no_recipe_is_told_in_one_line(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        parse(path)
    assert "\n" not in str(caught.value)


def test_dashes_in_options_are_as_good_as_underscores():
    assert parse("synthetic", "-o", "s", "--num-workers", "3").num_workers == 3
    assert parse("synthetic", "-o", "s-t", "--num-workers=3", "--allow-shared-patients", "true",
                 "--options", "{a-b: 1}").options == {"a-b": 1}  # fmt: skip


@pytest.mark.parametrize("text", ["seed: 1\nseed: 2", "preprocess: {notch: 50, notch: 60}",
                                  "options:\n  a: {b: 1}\n  a: {b: 1}"])  # fmt: skip
def test_a_key_that_stands_twice_is_refused(text, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"dataset: synthetic\n{text}\n")
    with pytest.raises(RecipeError, match=r"'(seed|notch|a)' stands twice"):
        parse(path)


def test_what_a_merge_brings_may_be_changed(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("options: {a: &a {x: 1, y: 2}, b: {<<: *a, x: 3}}\n")
    assert recipe_files.read_yaml(path)["options"]["b"] == {"x": 3, "y": 2}
