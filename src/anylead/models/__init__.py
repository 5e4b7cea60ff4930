"""Neural network modules: they know neither losses, methods, files nor recipes."""

from anylead.models.building import (
    ENCODERS,
    AnyEncoder,
    build_encoder,
    describe_encoder,
    load_weights,
)
from anylead.models.encoder import ENCODER_SIZES, Encoded, Encoder, EncoderConfig, mean_over_frames
from anylead.models.masked_prediction import MaskedPrediction, MaskedPredictionConfig
from anylead.models.quantizer import GumbelQuantizer

__all__ = [
    "ENCODERS",
    "ENCODER_SIZES",
    "AnyEncoder",
    "Encoded",
    "Encoder",
    "EncoderConfig",
    "GumbelQuantizer",
    "MaskedPrediction",
    "MaskedPredictionConfig",
    "build_encoder",
    "describe_encoder",
    "load_weights",
    "mean_over_frames",
]
