"""Building modules whose weights come from elsewhere: nothing is drawn to be thrown away."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

# Of torch.nn.init those that stand for themselves; the others end in methods of the tensor.
_FILLING = {
    *(init.uniform_, init.normal_, init.kaiming_uniform_, init.kaiming_normal_),
    *(init.trunc_normal_, init.xavier_uniform_, init.xavier_normal_, init.orthogonal_),
    *(Tensor.uniform_, Tensor.normal_, Tensor.erfinv_, Tensor.bernoulli_, Tensor.exponential_),
}
# Of tables, which are small and made for real: on "meta" they would be computed by the compiler.
_COUNTING = {torch.arange, torch.linspace, torch.logspace}


class _NothingDrawn(TorchFunctionMode):
    """Leaves the memory of a weight as it is where a module would fill it with random numbers."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if function in _FILLING:
            return args[0] if args else given["tensor"]
        if function in (torch.randn, torch.rand):
            return torch.empty(*args, **given)
        if function is torch.norm_except_dim and args[0].is_meta:
            return _norm_shape(*args)
        if function in _COUNTING:
            given.setdefault("device", "cpu")
        return function(*args, **given)


def _norm_shape(weight: Tensor, power: int, dim: int) -> Tensor:
    """What norms of a weight look like, one for each index of an axis."""
    sizes = [size if axis == dim else 1 for axis, size in enumerate(weight.shape)]
    return weight.new_empty(sizes)


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Within, weights of new modules hold whatever the memory held; tables are made as ever."""
    with _NothingDrawn():
        yield


@contextmanager
def weightless() -> Iterator[None]:
    """Within, new modules have shapes and no memory, but for constant tables.

    What torch computes on "meta" by its compiler (draws, norms, counting) is left out or done on
    the CPU: importing the compiler takes longer than reading a model.
    """
    with torch.device("meta"), nothing_drawn():
        yield
