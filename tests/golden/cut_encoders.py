"""Make public_encoders.npz and .json from the whole set: python cut_encoders.py WHOLE_SET."""

import json
import sys
from pathlib import Path

import numpy as np

KEPT = {  # model -> its file, the names of its tensors there, arrays to keep of the first recording
    "ecgfounder": ("ecgfounder", "state_dict", ("features12", "logits12")),
    "ecg_jepa": ("ecg_jepa", "state_dict", ("representation", "representation_leads_I_II_V2")),
    "merl_resnet18": ("merl", "state_dict_resnet18", ("resnet18.encoder_mean", "resnet18.proj")),
    "merl_vit_tiny": ("merl", "state_dict_vit_tiny", ("vit_tiny.encoder", "vit_tiny.proj")),
}


def main(whole: Path) -> None:
    """Write both files beside this one."""
    here = Path(__file__).parent
    arrays, layouts = {}, {}
    for name, (file, entry, kept) in KEPT.items():
        z, told = np.load(whole / f"{file}.npz"), json.loads((whole / f"{file}.json").read_text())
        arrays["raw_uv"] = z["raw_uv"][0]
        arrays |= {f"{name}/{key.rpartition('.')[2]}": z[key][0] for key in kept}
        shapes = {key: shape for key, shape, _ in told[entry] if key not in told["fixed"]}
        layouts[name] = {"gains": told["gains"], "shapes": shapes}
    np.savez_compressed(here / "public_encoders.npz", **arrays)
    text = json.dumps(layouts, separators=(",", ":"))
    (here / "public_encoders.json").write_text(text + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
