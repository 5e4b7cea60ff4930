"""Self-supervised objectives. To add one: a file with a `Method`, and a line in `METHODS`."""

from functools import reduce

from anylead.catalogue import Catalogue
from anylead.errors import RecipeError, known_are
from anylead.methods.pretraining import CONTRASTS, Method, Pretraining, combine
from anylead.methods.views import Views

METHODS: Catalogue[Method] = Catalogue(
    "anylead.methods",
    {
        "wav2vec2": "WAV2VEC2",
        "data2vec": "DATA2VEC",
        "signal": "SIGNAL",
        "jepa": "JEPA_METHOD",
        "masked_autoencoding": "MASKED_AUTOENCODING",
        "cpc": "CPC_METHOD",
        "cmsc": "CMSC",
        "cmlc": "CMLC",
        "cmsmlc": "CMSMLC",
        "simclr": "SIMCLR",
        "three_kg": "THREE_KG",
        "wav2vec2_cmsc": "WAV2VEC2_CMSC",
    },
)


def find_method(name: str) -> Method:
    """A method by its name, or a local and a global one joined: "wav2vec2+simclr".

    Raises:
        RecipeError: an unknown name, or two methods of one kind.
    """
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part not in METHODS:
            raise RecipeError(
                f"method {part!r}{known_are(part, METHODS)}, or a local and a global one"
                " joined by +"
            )
    return reduce(combine, (METHODS[part] for part in parts))


__all__ = ["CONTRASTS", "METHODS", "Method", "Pretraining", "Views", "combine", "find_method"]
