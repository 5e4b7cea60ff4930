"""Published file of ECG-CPC (figshare 30192604): a Lightning checkpoint.

The tensors lie under `state_dict`, behind `ts_encoder.`. The layout follows the configuration of
its pre-training; the file itself was not seen, so every name and shape is compared aloud. The
cached roots of unity (`omega`, `z`) are rounded in the file and are computed anew here.
"""

from collections.abc import Mapping
from typing import Any

from anylead.interop.renaming import Found, count, mapping_in, prefixed, rename, shape_of

_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"
_PREDICTOR = "ts_encoder.predictor.predictor"
_S4 = r"ts_encoder\.predictor\.predictor\.s4_layers\.(\d+)\."
RULES = (
    (r"ts_encoder\.encoder\.layers\.(\d+)\.0\.weight", r"convs.\1.weight"),
    (rf"ts_encoder\.encoder\.layers\.(\d+)\.1\.{_NORM}", r"conv_norms.\1.\2"),
    (rf"{_S4}D", r"layers.\1.skip"),
    (rf"{_S4}kernel\.kernel\.([wPBQC])", r"layers.\1.\2"),
    (rf"{_S4}kernel\.kernel\.log_dt", r"layers.\1.log_step"),
    (rf"{_S4}kernel\.kernel\.(?:omega|z)", None),
    (rf"{_S4}kernel\.kernel\.L", None),
    (rf"{_S4}output_linear\.0\.(weight|bias)", r"layers.\1.output.\2"),
    (r"ts_encoder\.predictor\.predictor\.norms\.(\d+)\.(weight|bias)", r"norms.\1.\2"),
    (r"ts_encoder\.head_ssl\.proj\.0\.weight", None),
)


def read(content: Mapping[str, Any], source: str) -> Found:
    """The encoder.

    Raises:
        CheckpointError: another layout.
    """
    theirs = mapping_in(content, "state_dict", source)
    ours = rename(theirs, RULES, source)
    num_layers = count(ours, r"layers\.(\d+)\.")
    roots = shape_of(theirs, f"{_PREDICTOR}.s4_layers.0.kernel.kernel.omega", 2, source)[0]
    for number in range(num_layers):
        for name in (f"layers.{number}.skip", f"layers.{number}.output.bias"):
            shape_of(ours, name, 2, source)
            ours[name] = ours[name].flatten()
    encoder = {
        "kind": "ecg_cpc",
        "dim": shape_of(ours, "convs.0.weight", 3, source)[0],
        "num_convs": count(ours, r"convs\.(\d+)\."),
        "num_layers": num_layers,
        "num_states": 2 * shape_of(ours, "layers.0.C", 4, source)[2],
        "window_samples": 4 * (roots - 1),
    }
    return Found(encoder, prefixed("encoder.", ours), len(theirs) - len(ours))
