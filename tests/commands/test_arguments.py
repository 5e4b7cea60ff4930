"""What a person may write on the command line, and what a misspelt word is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from anylead.commands.arguments import read_arguments
from anylead.commands.options import in_words, options
from anylead.commands.recipe_files import read_yaml, to_yaml
from anylead.commands.recipes import build, flatten
from anylead.errors import RecipeError


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        num_epochs: passes.
        rate: of learning.
        resume: go on.
        betas: two numbers.
    """

    num_epochs: int = 3
    rate: float = 0.1
    resume: bool = False
    betas: tuple[float, float] = (0.9, 0.98)


@dataclass(frozen=True)
class Line:
    """A line of a table.

    Attributes:
        name: of the line.
        size: of it.
    """

    name: str
    size: int = 1


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        root: a folder.
        files: several.
        leads: a set.
        keep: which.
        seconds: or null.
        options: of a dataset.
        names: texts.
        lines: of a table.
        train: how.
        other: a part that may be null.
    """

    root: Path
    files: str = ""
    leads: str = "12"
    keep: Literal["last", "best"] = "last"
    seconds: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    lines: list[Line] = field(default_factory=list)
    train: Part = field(default_factory=lambda: Part(rate=0.5))
    other: Part | None = None


def parse(*words):
    found = read_arguments(Recipe, ("root", "files..."), words)
    return build(Recipe, found.values, found.told, where="--")


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        (["--train.num-epochs", "5"], "num_epochs", 5),
        (["--train.num_epochs=5"], "num_epochs", 5),
        (["--num-epochs", "1e2"], "num_epochs", 100),
        (["--train", "{num_epochs: 5}"], "num_epochs", 5),
        (["--rate", "1e-3"], "rate", 1e-3),
        (["--resume"], "resume", True),
        (["--resume", "--no-resume"], "resume", False),
        (["--train.no-resume"], "resume", False),
        (["--train.resume", "true"], "resume", True),
        (["--train.resume=no"], "resume", False),
        (["--betas", "0.5,0.6"], "betas", (0.5, 0.6)),
        (["--betas", "[0.5, 0.6]"], "betas", (0.5, 0.6)),
    ],
)
def test_every_spelling_of_an_option_of_a_part(words, name, value):
    recipe = parse("DIR", *words)
    assert getattr(recipe.train, name) == value
    assert name == "rate" or recipe.train.rate == 0.5  # the recipe's own default of the part


def test_values_without_names_and_flags_before_them():
    recipe = parse("--resume", "DIR", "a.dcm", "--seconds", "-1", "b.dcm")
    assert recipe.root == Path("DIR") and recipe.files == "a.dcm,b.dcm"
    assert recipe.train.resume and recipe.seconds == -1


def test_keys_of_a_mapping_and_of_a_part_that_may_be_null():
    recipe = parse("DIR", "--options.num-patients", "20", "--options.labels", "a.csv")
    assert recipe.options == {"num_patients": 20, "labels": "a.csv"}
    assert parse("DIR", "--other.num_epochs", "9").other == Part(num_epochs=9)
    assert parse("DIR", "--other", "null").other is None


def test_recipes_and_options_in_order_the_later_wins(tmp_path):
    (tmp_path / "a.yaml").write_text("train: {rate: 1e-4, num_epochs: 7}\nleads: 6\n")
    (tmp_path / "b.yaml").write_text("train.num_epochs: 8\n")
    a, b = str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")
    assert parse("DIR", a, b).train == Part(num_epochs=8, rate=1e-4)
    assert parse("DIR", b, a).train.num_epochs == 7
    assert parse("DIR", "--leads", "3", a).leads == "6"


MISTAKES = {
    "DIR --trian.rate 1": "--trian.rate: no such option; did you mean --train.rate?",
    "DIR --epochs 3": "--epochs: no such option; did you mean --train.num_epochs?",
    "DIR --train.num_epochs many": "--train.num_epochs: found 'many', want an integer",
    "DIR --train.num_epochs 2.5": "--train.num_epochs: found '2.5', want an integer",
    "DIR --rate nan": "--rate: found 'nan', want a number",
    "DIR --resume=perhaps": "--resume: found 'perhaps', want true or false",
    "DIR --keep bst": "--keep: found 'bst', want last or best; did you mean best?",
    "DIR --seconds ten": "--seconds: found 'ten', want a number",
    "DIR --leads": "--leads needs a value: text",
    "DIR --leads --resume": "--leads needs a value: text",
    "DIR --options x": "--options: found 'x', want a mapping such as {name: value}",
    "DIR --train x": "--train: found 'x', want its own keys: num_epochs, rate, resume, betas",
    "DIR --train {epochs:3}": "--train.epochs:3: no such key; did you mean num_epochs?",
    "DIR --other.rat 3": "--other.rat: no such key; did you mean rate?",
    "DIR --lines [{nme:3}]": "--lines[0]",
    "DIR --betas 1": "--betas: found [1], want a list of 2: a number, a number",
    "DIR -x": "-x: no such option",
    "": "--root must be given: a folder",
    "DIR none.yaml": "none.yaml: No such file or directory",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_plain_words(line):
    with pytest.raises(RecipeError) as found:
        parse(*line.split())
    told = str(found.value)
    assert MISTAKES[line] in told
    for word in ("Parser", "typing", "<class", "NoneType", "Union"):
        assert word not in told


def test_a_mistake_in_a_recipe_names_file_and_key(tmp_path):
    path = tmp_path / "r.yaml"
    for text, words in {
        "trian: {}": "r.yaml: trian: no such key; did you mean train?",
        "train: {rates: 1}": "r.yaml: train.rates: no such key; did you mean rate?",
        "train: {rate: fast}": "r.yaml: train.rate: found 'fast', want a number",
        "lines: [{name: a}, {nme: b}]": "r.yaml: lines[1].nme: no such key; did you mean name?",
        "lines: [{size: 2}]": "r.yaml: lines[0].name must be given: of the line",
        "train: [": "r.yaml: is not YAML in line",
        "- 1": "r.yaml: want lines like",
        "train: {class_path: os.system}": "r.yaml: train.class_path: no such key",
    }.items():
        path.write_text(text)
        with pytest.raises(RecipeError) as found:
            parse("DIR", str(path))
        assert words in str(found.value)


def test_a_recipe_that_makes_much_of_little_is_refused_at_once(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    (tmp_path / "bomb.yaml").write_text("\n".join(lines))
    with pytest.raises(RecipeError, match="more than 100,000 values"):
        read_yaml(tmp_path / "bomb.yaml")
    (tmp_path / "self.yaml").write_text("a: &a [*a]")
    with pytest.raises(RecipeError, match="more than 100,000 values"):
        read_yaml(tmp_path / "self.yaml")


texts = st.text(st.characters(categories=["L", "N", "P"]), max_size=5)
recipes = st.builds(
    Recipe,
    root=st.just(Path("some where/[x]")),
    files=texts,
    leads=st.sampled_from(["12", "I,II", "null and void", "1e3", "true", "no"]),
    keep=st.sampled_from(["last", "best"]),
    seconds=st.none() | st.floats(-1e9, 1e9),
    options=st.dictionaries(texts, st.integers() | texts),
    names=st.lists(texts).map(tuple),
    lines=st.lists(st.builds(Line, texts, st.integers())),
    train=st.builds(Part, st.integers(), st.floats(-1e300, 1e300), st.booleans()),
    other=st.none() | st.builds(Part),
)


@settings(deadline=None, max_examples=25)
@given(recipes)
def test_a_recipe_written_and_read_again_is_the_same(recipe):
    assert build(Recipe, yaml.safe_load(to_yaml(recipe))) == recipe


@settings(deadline=None, max_examples=25)
@given(recipes)
def test_flat_names_build_the_same_as_nested_ones(recipe):
    nested = yaml.safe_load(to_yaml(recipe))
    assert build(Recipe, flatten(Recipe, nested)) == recipe


def test_every_option_has_a_type_in_words():
    for option in options(Recipe):
        assert "<" not in in_words(option.type) and "typing" not in in_words(option.type)
