"""`anylead models`: what `load`, `predict` and the others take by name."""

import json
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from anylead.inference.named import NamedModel, list_models


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
        print(json.dumps([asdict(model) for model in found], indent=1))
        return found
    table = Table("name", "where", "what", "size", "licence", box=None, pad_edge=False)
    for model in found:
        table.add_row(model.name, model.where, model.about, model.size, model.licence or "-")
    Console().print(table)
    print("Others: a folder, hf://owner/name, or a file of fairseq-signals.")
    return found
