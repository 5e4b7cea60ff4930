"""Published files of ECGFounder (github.com/PKUDigitalHealth/ECGFounder, weights on the hub).

The tensors lie under `state_dict`. Batch normalization stands in the file and is not part of the
network: whoever switches it on gets another network that loads without complaint.
"""

from collections.abc import Mapping
from typing import Any

from anylead.errors import CheckpointError
from anylead.interop.renaming import Found, count, mapping_in, prefixed, rename, shape_of, take_head
from anylead.leads import LEADS

_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_BLOCK = r"stage_list\.(\d+)\.block_list\.(\d+)\."
RULES = (
    (r"first_conv\.conv\.(weight|bias)", r"stem.conv.\1"),
    (rf"first_bn\.{_NORM}", None),
    (rf"{_BLOCK}bn[123]\.{_NORM}", None),
    (rf"{_BLOCK}conv1\.conv\.(weight|bias)", r"stages.\1.\2.first.\3"),
    (rf"{_BLOCK}conv2\.conv\.(weight|bias)", r"stages.\1.\2.second.conv.\3"),
    (rf"{_BLOCK}conv3\.conv\.(weight|bias)", r"stages.\1.\2.third.\3"),
    (rf"{_BLOCK}se_fc1\.(weight|bias)", r"stages.\1.\2.squeeze.\3"),
    (rf"{_BLOCK}se_fc2\.(weight|bias)", r"stages.\1.\2.excite.\3"),
    (r"dense\.(weight|bias)", r"head.\1"),
)


def read(content: Mapping[str, Any], source: str) -> Found:
    """The model of 12 leads or of lead I, told by its first convolution.

    Raises:
        CheckpointError: another layout.
    """
    theirs = mapping_in(content, "state_dict", source)
    ours = rename(theirs, RULES, source)
    stem_dim, num_leads, kernel = shape_of(ours, "stem.conv.weight", 3, source)
    if num_leads not in (1, 12):
        raise CheckpointError(f"{source}: a model of {num_leads} leads; want 12 or 1")
    num_stages = count(ours, r"stages\.(\d+)\.")
    seconds = [f"stages.{i}.0.second.conv.weight" for i in range(num_stages)]
    shapes = [shape_of(ours, name, 3, source) for name in seconds]
    head = take_head(ours)
    encoder = {
        "kind": "ecgfounder",
        "leads": list(LEADS if num_leads == 12 else LEADS[:1]),
        "stem_dim": stem_dim,
        "dims": [shape[0] for shape in shapes],
        "num_blocks": [count(ours, rf"stages\.{i}\.(\d+)\.") for i in range(num_stages)],
        "kernel": kernel,
        "group_dim": shapes[0][1] if shapes else 16,
    }
    unused = len(theirs) - len(ours) - len(head)
    return Found(encoder, {**prefixed("encoder.", ours), **head}, unused)
