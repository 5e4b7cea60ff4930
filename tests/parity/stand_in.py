"""Stand-in weights: every tensor follows from its published name and shape.

The numbers of other encoders were made with such weights, since a layout is known where a file is
not at hand. Standard normal numbers z, drawn from the CRC of the name; a statistic of a batch
normalization, a gain, a matrix, a bare parameter and a bias each have their own scale.
"""

import json
import zlib
from contextlib import contextmanager

import numpy as np
import torch

from anylead.models import build_encoder, load_weights

GAINS = ("weight_g", "gamma", "alpha", "g")


def tensor(key, shape, gain=1.0):
    last = key.rsplit(".", 1)[-1]
    if last == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    generator = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    z = np.asarray(generator.standard_normal(shape))
    is_matrix = len(shape) >= 2
    if last == "running_mean":
        z = 0.1 * z
    elif last == "running_var":
        z = 1 + 0.1 * abs(z)
    elif last in GAINS or (not is_matrix and last.endswith(("weight", "scale"))):
        z = 1 + 0.1 * z
    elif is_matrix and last.endswith(("weight", "weight_v")):
        z = z / np.sqrt(np.prod(shape[1:]))
    else:
        z = (0.5 if is_matrix and not last.endswith("bias") else 0.1) * z
    return torch.from_numpy(np.asarray(gain * z, np.float32))


def state(shapes, gains=None):
    """Published name -> tensor; a gain holds for all names that begin with its key."""
    gains = gains or {}
    return {
        key: tensor(key, tuple(shape), next((g for p, g in gains.items() if key.startswith(p)), 1))
        for key, shape in shapes.items()
    }


def facts(folder, name):
    """What is known of a model, and its arrays."""
    told = json.loads((folder / f"{name}.json").read_text())
    return told, {k: torch.from_numpy(v) for k, v in np.load(folder / f"{name}.npz").items()}


def shapes(entries):
    return {key: shape for key, shape, _ in entries}


def assert_golden(found, wanted, name=""):
    """Within 1e-5 of the largest value."""
    found, wanted = found.detach().double(), torch.as_tensor(wanted).double()
    assert found.shape == wanted.shape, (name, found.shape, wanted.shape)
    difference = ((found - wanted).abs().max() / wanted.abs().max()).item()
    assert difference <= 1e-5, f"{name}: {difference:.1e}"


def encoder_of(found, **changes):
    """The architecture of a file with its weights, ready for inference."""
    encoder = build_encoder({**found.encoder, **changes}).eval()
    own = {
        n.removeprefix("encoder."): t for n, t in found.tensors.items() if n.startswith("encoder.")
    }
    load_weights(encoder, own, "file")
    return encoder


@contextmanager
def watched(**modules):
    """The last output of each module, under its name, while the context lasts."""
    seen = {}

    def keep(name):
        return lambda module, inputs, output: seen.__setitem__(name, output)

    handles = [module.register_forward_hook(keep(name)) for name, module in modules.items()]
    yield seen
    for handle in handles:
        handle.remove()
