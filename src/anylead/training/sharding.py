"""FSDP2: weights, gradients and moments shared out among the ranks, for large encoders.

What trains is a sharded copy. The module of the caller stays whole, on the CPU, and gets the
weights back where somebody looks at them: after an epoch and at the end.
"""

from copy import deepcopy
from typing import TYPE_CHECKING, TypeGuard, cast

import torch
from torch import Tensor, distributed, nn

from anylead.errors import RecipeError

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def shard(module: nn.Module, device: torch.device) -> nn.Module:
    """A copy of a module on the device, of which this rank holds its part.

    Each layer of the encoder is put together only while it is used; all the rest at once, from the
    forward to the backward pass.

    Args:
        module: the same on every rank; its `encoder` has `layers`.
        device: of this rank.

    Raises:
        RecipeError: torch is so old that it cannot do this on a CPU, such as 2.6.
    """
    if device.type == "cpu" and not hasattr(torch.cpu.Stream, "record_event"):
        raise RecipeError(
            f"train.sharding fsdp: torch {torch.__version__} has it for GPUs only; install a newer"
            " torch or choose none"
        )
    from torch.distributed.device_mesh import init_device_mesh  # slow to import
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    sharded = deepcopy(module)
    for layer in cast(nn.ModuleList, cast(nn.Module, sharded.encoder).layers):
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    return sharded


def write_back(sharded: nn.Module, module: nn.Module) -> None:
    """Give the weights of the copy to the module it was made from; called on every rank."""
    targets = module.state_dict()
    for name, value in sharded.state_dict().items():
        targets[name].copy_(whole(value))


def whole(value: Tensor) -> Tensor:
    """All of a tensor that is shared out, called on every rank; any other tensor itself."""
    return value.full_tensor() if _is_shared(value) else value


def own_part(value: Tensor) -> Tensor:
    """What this rank holds of a tensor, in the same memory."""
    return value.to_local() if _is_shared(value) else value


def shared_like(value: Tensor, target: Tensor) -> Tensor:
    """A whole tensor shared out as the target is; called on every rank."""
    if not _is_shared(target):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(target.device), target.device_mesh, target.placements)


def _is_shared(value: Tensor) -> TypeGuard["DTensor"]:
    if not (distributed.is_available() and distributed.is_initialized()):
        return False
    from torch.distributed.tensor import DTensor  # slow to import

    return isinstance(value, DTensor)
