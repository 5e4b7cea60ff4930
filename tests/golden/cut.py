"""Cut the small golden numbers in this folder out of the whole ones.

python tests/golden/cut.py FOLDER_OF_THE_WHOLE

Of large outputs the leading block is kept (`peer.close` compares just that block of ours); inputs,
draws, codes and sums are whole. The checkpoint loses its optimizer state.
"""

import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
CASE = "tiny_zeroleads_2500.npz"
WHOLE = {"source", "mask_indices", "patient_id", "segment", "neg_idxs", "code_index", "cmsc_pooled"}
BLOCK = 12  # of each axis but the channels


def leading(array: np.ndarray) -> np.ndarray:
    return array[tuple(slice(BLOCK) for _ in range(array.ndim - 1))] if array.ndim > 1 else array


def without_paths(values: object) -> object:
    if not isinstance(values, dict):
        return values
    return {k: "" if isinstance(v, str) and "/" in v else v for k, v in values.items()}


def main(whole: Path) -> None:
    with np.load(whole / CASE) as file:
        arrays = {k: file[k] if k in WHOLE else leading(file[k]) for k in file.files}
    arrays["neg_idxs"] = arrays["neg_idxs"].astype(np.int16)
    np.savez_compressed(HERE / CASE, **arrays)
    for name in ("cinc_score.npz", "masking_schedules.npz"):
        with np.load(whole / name) as file:
            np.savez_compressed(HERE / name, **{k: file[k] for k in file.files})
    kept = torch.load(whole / "tiny_pretrain.pt", weights_only=True)
    cfg = {part: without_paths(values) for part, values in kept["cfg"].items()}
    small = {"args": None, "cfg": cfg, "model": kept["model"]}
    torch.save(small, HERE / "tiny_pretrain.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
