"""The plain step that the step of anylead is compared with: the same objective, written directly.

Written for comparison, from the description of the method: every masked frame is compared with a
gathered and expanded list of 1 + 100 candidates, codes are one-hot times the codebooks, query, key
and value are three layers, attention is a softmax spelled out, norms are copied to float32, masks
and negatives are drawn in numpy row by row, logs are read with `.item()`, Adam is a loop. The same
work on the same data: W2V + CMSC with random lead masking, and the same sizes.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

SIZES = {
    # conv channels, dim, layers, heads, ffn, kernel of the positional convolution
    "tiny": (32, 64, 2, 2, 128, 32),
    "small": (128, 256, 4, 4, 1024, 64),
    "base": (256, 768, 12, 12, 3072, 128),
}
NUM_NEGATIVES, TARGET_DIM, NUM_GROUPS, NUM_CODES = 100, 256, 2, 320


class Float32Norm(nn.LayerNorm):
    """Layer norm in float32 whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        normed = functional.layer_norm(
            x.float(), self.normalized_shape, self.weight.float(), self.bias.float(), self.eps
        )
        return normed.type_as(x)


class Attention(nn.Module):
    """Self-attention with three projections and a softmax spelled out; time comes first."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.value, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        frames, rows, dim = x.shape
        shape = (frames, rows * self.heads, dim // self.heads)
        query = (self.query(x) * shape[2] ** -0.5).contiguous().view(shape).transpose(0, 1)
        key = self.key(x).contiguous().view(shape).transpose(0, 1)
        value = self.value(x).contiguous().view(shape).transpose(0, 1)
        scores = torch.bmm(query, key.transpose(1, 2))
        weights = functional.softmax(scores, dim=-1, dtype=torch.float32).type_as(scores)
        mixed = torch.bmm(functional.dropout(weights, 0.1, self.training), value)
        return self.out(mixed.transpose(0, 1).contiguous().view(frames, rows, dim))


class Layer(nn.Module):
    """Attention and feed-forward, each followed by a norm."""

    def __init__(self, dim: int, heads: int, ffn: int):
        super().__init__()
        self.attention, self.norm1 = Attention(dim, heads), Float32Norm(dim)
        self.expand, self.contract, self.norm2 = (
            nn.Linear(dim, ffn),
            nn.Linear(ffn, dim),
            Float32Norm(dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        mixed = functional.dropout(self.attention(x), 0.1, self.training)
        x = self.norm1(x + mixed)
        hidden = functional.gelu(self.expand(x).float()).type_as(x)
        hidden = functional.dropout(hidden, 0.0, self.training)
        return self.norm2(x + functional.dropout(self.contract(hidden), 0.1, self.training))


class ReferencePretraining(nn.Module):
    """W2V + CMSC with random lead masking over (batch, 2, 12, time)."""

    def __init__(self, size: str, seed: int = 0):
        super().__init__()
        channels, dim, layers, heads, ffn, kernel = SIZES[size]
        self.rng = np.random.default_rng(seed)
        self.dim = dim
        self.convs = nn.ModuleList(
            nn.Conv1d(12 if i == 0 else channels, channels, 2, 2, bias=False) for i in range(4)
        )
        self.conv_norm = nn.GroupNorm(channels, channels)
        self.feature_norm = Float32Norm(channels)
        self.project = nn.Linear(channels, dim)
        self.mask_vector = nn.Parameter(torch.rand(dim))
        self.positional = nn.utils.parametrizations.weight_norm(
            nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=16), dim=2
        )
        self.norm = Float32Norm(dim)
        self.layers = nn.ModuleList(Layer(dim, heads, ffn) for _ in range(layers))
        self.choose = nn.Linear(channels, NUM_GROUPS * NUM_CODES)
        self.codebook = nn.Parameter(
            torch.rand(1, NUM_GROUPS * NUM_CODES, TARGET_DIM // NUM_GROUPS)
        )
        self.project_target = nn.Linear(TARGET_DIM, TARGET_DIM)
        self.project_context = nn.Linear(dim, TARGET_DIM)

    def forward(self, signal: Tensor, patient: Tensor) -> tuple[Tensor, int, dict[str, float]]:
        """Loss summed over masked frames, their number, and what is logged."""
        rows = self._mask_leads(signal).flatten(0, 1)
        features = self._features(rows)  # (rows, channel, frame)
        penalty = features.float().pow(2).mean()
        normed = self.feature_norm(features.transpose(1, 2))
        unmasked = functional.dropout(normed, 0.1, self.training)
        x = functional.dropout(self.project(normed), 0.1, self.training)
        is_masked = torch.from_numpy(self._mask(len(x), x.shape[1])).to(x.device)
        x[is_masked] = self.mask_vector.to(x.dtype)
        context = self._contextualize(x)

        count = int(is_masked.sum().item()) // len(x)
        quantized, diversity = self._quantize(unmasked[is_masked].view(len(x), count, -1))
        target = self.project_target(quantized)
        prediction = self.project_context(context[is_masked].view(len(x), count, -1))
        contrast, correct = self._contrast(prediction, target, self._negatives(len(x), count))

        global_loss = self._global(context, patient)
        terms = int(is_masked.sum().item())
        loss = contrast + terms * (0.1 * diversity + 10 * penalty + global_loss)
        logs = {
            "loss": loss.item(),
            "contrast": contrast.item(),
            "diversity": diversity.item(),
            "penalty": penalty.item(),
            "global": global_loss.item(),
            "correct": correct.sum().item(),
        }
        return loss, terms, logs

    def context(self, signal: Tensor) -> Tensor:
        """(rows, 12, time) -> (rows, frame, dim), nothing masked."""
        normed = self.feature_norm(self._features(signal).transpose(1, 2))
        return self._contextualize(functional.dropout(self.project(normed), 0.1, self.training))

    def _mask_leads(self, signal: Tensor) -> Tensor:
        out = signal.clone()
        for record in out:
            for segment in record:
                segment[torch.from_numpy(self.rng.random(12) < 0.5)] = 0
        return out

    def _features(self, x: Tensor) -> Tensor:
        for i, conv in enumerate(self.convs):
            x = conv(x)
            if i == 0:
                norm = self.conv_norm
                x = functional.group_norm(
                    x.float(), norm.num_groups, norm.weight.float(), norm.bias.float(), norm.eps
                ).type_as(x)
            x = functional.gelu(x)
        return x

    def _contextualize(self, x: Tensor) -> Tensor:
        position = self.positional(x.transpose(1, 2))[:, :, : x.shape[1]]
        x = self.norm(x + functional.gelu(position).transpose(1, 2))
        x = functional.dropout(x, 0.1, self.training).transpose(0, 1)
        for layer in self.layers:
            x = layer(x)
        return x.transpose(0, 1)

    def _mask(self, rows: int, frames: int) -> np.ndarray:
        """The same number of masked frames in every row."""
        drawn = []
        for _ in range(rows):
            number = int(0.65 * frames / 10 + self.rng.random())
            starts = self.rng.choice(frames - 10, number, replace=False)
            drawn.append(np.unique(np.concatenate([np.arange(s, s + 10) for s in starts])))
        fewest = min(len(row) for row in drawn)
        mask = np.zeros((rows, frames), dtype=bool)
        for i, row in enumerate(drawn):
            mask[i, self.rng.choice(row, fewest, replace=False)] = True
        return mask

    def _negatives(self, rows: int, count: int) -> Tensor:
        drawn = self.rng.integers(0, count - 1, (rows, count * NUM_NEGATIVES))
        own = np.repeat(np.arange(count), NUM_NEGATIVES)
        drawn[drawn >= own] += 1
        return torch.from_numpy(drawn + count * np.arange(rows)[:, None])

    def _quantize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        rows, count, _ = x.shape
        logits = self.choose(x).view(rows * count * NUM_GROUPS, NUM_CODES)
        chosen = functional.gumbel_softmax(logits.float(), tau=2.0, hard=True).type_as(x)
        average = logits.view(rows * count, NUM_GROUPS, NUM_CODES).float().softmax(-1).mean(0)
        perplexity = torch.exp(-(average * torch.log(average + 1e-7)).sum(-1)).sum()
        hot = chosen.view(rows * count, -1)
        picked = hot.unsqueeze(-1) * self.codebook  # (rows * count, all codes, dim of a group)
        vectors = picked.view(rows * count, NUM_GROUPS, NUM_CODES, -1).sum(-2)
        num = NUM_GROUPS * NUM_CODES
        return vectors.view(rows, count, -1), (num - perplexity) / num

    def _contrast(self, x: Tensor, y: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        rows, count, dim = y.shape
        negatives = y.reshape(-1, dim)[index.view(-1).to(y.device)]
        negatives = negatives.view(rows, count, NUM_NEGATIVES, dim).permute(2, 0, 1, 3)
        is_same = (y == negatives).all(-1)
        candidates = torch.cat([y.unsqueeze(0), negatives], dim=0)
        logits = torch.cosine_similarity(x.float(), candidates.float(), dim=-1) / 0.1
        if is_same.any():
            logits[1:][is_same] = -math.inf
        logits = logits.transpose(0, 2).reshape(-1, logits.size(0))
        target = logits.new_zeros(len(logits), dtype=torch.long)
        return functional.cross_entropy(logits, target, reduction="sum"), logits.argmax(-1) == 0

    def _global(self, context: Tensor, patient: Tensor) -> Tensor:
        first, second = context.float().mean(1).view(-1, 2, self.dim).unbind(1)
        first = first / first.norm(dim=1, keepdim=True)
        second = second / second.norm(dim=1, keepdim=True)
        logits = first @ second.T / 0.1
        is_positive = (patient[:, None] == patient[None]).float()
        both = logits.log_softmax(1) + logits.log_softmax(0)
        return -(both * is_positive).sum() / is_positive.sum() / 2


class ReferenceClassifier(nn.Module):
    """The same encoder with a linear head on the mean of its frames."""

    def __init__(self, size: str, labels: int):
        super().__init__()
        dim = SIZES[size][1]
        self.encoder = ReferencePretraining(size)
        self.head = nn.Linear(dim, labels)

    def context(self, signal: Tensor) -> Tensor:
        """(rows, 12, time) -> (rows, frame, dim)."""
        return self.encoder.context(signal)

    def forward(self, signal: Tensor) -> Tensor:
        """(rows, 12, time) -> (rows, labels)."""
        return self.head(self.context(signal).mean(dim=1))


class ReferenceAdam(torch.optim.Optimizer):
    """Adam with decoupled decay, one parameter after another."""

    def __init__(self, parameters, lr: float = 5e-5):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        lr = self.param_groups[0]["lr"]
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is None:
                continue
            state = self.state[parameter]
            if not state:
                state["step"] = 0
                state["mean"] = torch.zeros_like(parameter)
                state["square"] = torch.zeros_like(parameter)
            state["step"] += 1
            state["mean"].mul_(0.9).add_(parameter.grad, alpha=0.1)
            state["square"].mul_(0.98).addcmul_(parameter.grad, parameter.grad, value=0.02)
            size = lr * math.sqrt(1 - 0.98 ** state["step"]) / (1 - 0.9 ** state["step"])
            parameter.add_(parameter, alpha=-0.01 * lr)
            parameter.addcdiv_(state["mean"], state["square"].sqrt().add_(1e-6), value=-size)
