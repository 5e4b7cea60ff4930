"""`anylead models`: what `load`, `predict` and the others take by name."""

from dataclasses import asdict, dataclass

from anylead.commands import screen
from anylead.inference.named import NamedModel, list_models

EXAMPLES = ("anylead models", "anylead models --json")


@dataclass(frozen=True)
class Recipe:
    """How they are listed.

    Attributes:
        json: for programs.
    """

    json: bool = False


def run(recipe: Recipe) -> list[NamedModel]:
    """Print the models in the box, in the cache and known elsewhere."""
    found = list_models()
    if recipe.json:
        screen.print_json([asdict(model) for model in found])
        return found
    rows = [(each.name, each.where, each.size, each.licence or "-", each.about) for each in found]
    where = screen.console()
    screen.show_table(where, ("name", "where", "size", "licence", "what"), rows)
    screen.say(where, "yours: bring the weights and `anylead convert FILE -o DIR --preset NAME`.")
    screen.say(where, "Others: a folder, hf://owner/name, or a file of fairseq-signals.")
    return found
