"""Training mode, except for what is not trained."""

from torch import nn


def set_training(objective: nn.Module) -> None:
    """Turn training on; frozen parts of the encoder stay as they are.

    A probe of an encoder must not change it: in training mode its batch normalization would take
    new statistics, and its dropout would hide what the probe looks at.
    """
    objective.train()
    encoder = getattr(objective, "encoder", None)
    if isinstance(encoder, nn.Module):
        _still(encoder)


def _still(module: nn.Module) -> None:
    own = list(module.parameters())
    if own and not any(parameter.requires_grad for parameter in own):
        module.eval()
        return
    for child in module.children():
        _still(child)
