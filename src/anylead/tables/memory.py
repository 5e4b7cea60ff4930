"""How much memory a step of training takes, computed; what does not fit is told before it starts.

Counted is what is kept for the way back of a Transformer in bf16 with fused attention, per frame
and layer 18 bytes for each channel and 8 for each hidden one of the feed-forward network; features;
and weights, gradients and two moments in fp32. For the base size and 1,024 segments that is 80 GB.
Heads, negatives and what the allocator wastes come on top: a tenth is allowed for them.
"""

from anylead.models import EncoderConfig

_PER_CHANNEL, _PER_HIDDEN = 18, 8
_PER_FEATURE = 8
_PER_LAYER_INPUT = 4  # all that is kept of a layer that is computed again
_PER_PARAMETER = 16
_MARGIN = 1.1


def step_bytes(
    config: EncoderConfig,
    num_parameters: int,
    num_samples: int,
    num_segments: int,
    recompute: bool = False,
    is_fp32: bool = False,
) -> float:
    """Bytes that one micro-batch takes on a device, weights and moments included.

    Args:
        config: of the encoder.
        num_parameters: that are trained.
        num_samples: of a segment.
        num_segments: of a micro-batch.
        recompute: as `TrainConfig.recompute`.
        is_fp32: what is kept for the way back is twice as large.
    """
    frames, features = num_samples, 0
    for dim, kernel, stride in config.conv_layers:
        frames = max((frames - kernel) // stride + 1, 0)
        features += _PER_FEATURE * dim * frames
    layer = frames * (_PER_CHANNEL * config.dim + _PER_HIDDEN * config.ffn_dim)
    kept = config.num_layers * layer
    if recompute:
        kept = layer + config.num_layers * frames * _PER_LAYER_INPUT * config.dim
    activations = num_segments * (kept + features) * (2 if is_fp32 else 1)
    return _MARGIN * (activations + _PER_PARAMETER * num_parameters)
