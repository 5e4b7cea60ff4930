"""Published files of KED (zenodo.org/records/14881564): the ECG encoder.

Three models lie in one file, each under a key of its own: `ecg_model`, `model` (label queries),
`text_encoder`. Loading the file as if it were one of them matches no name at all. The encoder's
convolutions are stored twice; those of `convpath` count.
"""

from collections.abc import Mapping
from typing import Any

from anylead.interop.renaming import Found, count, mapping_in, prefixed, rename, shape_of
from anylead.models import load_weights
from anylead.models.label_queries import LabelQueries

_PART = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_WHICH = {"0": "conv", "1": "norm"}


def _rules() -> list[tuple[str, str | None]]:
    rules: list[tuple[str, str | None]] = []
    for number, ours in _WHICH.items():
        rules += [
            (rf"([012])\.{number}\.{_PART}", rf"stem.\1.{ours}.\2"),
            *(
                (
                    rf"(\d)\.(\d+)\.convpath\.0\.{place}\.{number}\.{_PART}",
                    rf"stages.\1.\2.{name}.{ours}.\3",
                )
                for place, name in enumerate(("first", "second", "third"))
            ),
            (rf"(\d)\.(\d+)\.idpath\.[01]\.{number}\.{_PART}", rf"stages.\1.\2.shortcut.{ours}.\3"),
        ]
    return [*rules, (rf"\d\.\d+\.convs\.[012]\.[01]\.{_PART}", None)]


RULES = tuple(_rules())
_FIRST_STAGE = 4


def read(content: Mapping[str, Any], source: str) -> Found:
    """The ECG encoder.

    Raises:
        CheckpointError: another layout.
    """
    theirs = mapping_in(content, "ecg_model", source)
    ours = {}
    for name, tensor in rename(theirs, RULES, source).items():
        if name.startswith("stages."):
            _, stage, rest = name.split(".", 2)
            name = f"stages.{int(stage) - _FIRST_STAGE}.{rest}"
        ours[name] = tensor
    stem = [shape_of(ours, f"stem.{i}.conv.weight", 3, source) for i in range(3)]
    num_stages = count(ours, r"stages\.(\d+)\.")
    stages = range(num_stages)
    encoder = {
        "kind": "xresnet1d",
        "stem_dims": [shape[0] for shape in stem],
        "inner_dims": [
            shape_of(ours, f"stages.{i}.0.first.conv.weight", 3, source)[0] for i in stages
        ],
        "dims": [shape_of(ours, f"stages.{i}.0.third.conv.weight", 3, source)[0] for i in stages],
        "num_blocks": [count(ours, rf"stages\.{i}\.(\d+)\.") for i in stages],
        "kernel": stem[0][2],
    }
    return Found(encoder, prefixed("encoder.", ours), len(theirs) - len(ours))


_LAYER = r"decoder\.layers\.(\d+)\."
_QUERIES = (
    (rf"{_LAYER}(.+)", r"layers.\1.\2"),
    (r"decoder\.norm\.(weight|bias)", r"norm.\1"),
    (r"decoder_norm\.(weight|bias)", None),  # the same tensors again
    (r"mlp_head\.(\d)\.(weight|bias)", r"head.\1.\2"),
    (r"logit_scale", None),
)
_TEXT = (
    (r"mlp_embed\.(\d)\.(weight|bias)", r"text.\1.\2"),
    (r"logit_scale", None),
    (r"bert_model\..+", None),
)


def read_label_queries(content: Mapping[str, Any], source: str) -> LabelQueries:
    """The network that asks an ECG for labels.

    Raises:
        CheckpointError: another layout.
    """
    ours = {
        **rename(mapping_in(content, "model", source), _QUERIES, source),
        **rename(mapping_in(content, "text_encoder", source), _TEXT, source),
    }
    queries = LabelQueries().eval()
    load_weights(queries, ours, source)
    return queries
