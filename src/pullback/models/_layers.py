"""Which layers do torch's own not cover? Those that take labels, and those that see a batch spread over processes."""

import torch
from torch import Tensor, distributed, nn
from torch.distributed._functional_collectives import all_reduce


class Labelled(nn.Module):
    """A layer that takes labels int64 (n,) beside its input; None where the network is not conditional."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        raise NotImplementedError


class Chain(nn.Sequential, Labelled):
    """Layers one after another; those that take labels are given them."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        for layer in self:
            x = layer(x, labels) if isinstance(layer, Labelled) else layer(x)
        return x


class BatchNorm(Labelled):
    """Batch normalisation (Ioffe and Szegedy 2015) of x (n, c) or (n, c, h, w), over all processes that share a batch.

    With `classes` it is conditional (de Vries et al. 2017): every class has a scale and a shift of its own. torch's
    SyncBatchNorm knows neither labels nor processes on a CPU.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.scale = nn.Parameter(torch.ones(max(1, classes), channels))
        self.shift = nn.Parameter(torch.zeros(max(1, classes), channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
        shared = self.training and processes() > 1
        if not self.classes and not shared:
            return self._normalised(x, self.scale[0], self.shift[0])
        assert not self.classes or labels is not None, "a conditional network needs labels"
        rows = labels if self.classes else 0
        scale, shift = (_spread(table[rows].to(x.dtype), x) for table in (self.scale, self.shift))
        return torch.addcmul(shift, self._normalised_over_processes(x) if shared else self._normalised(x), scale)

    def _normalised(self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, scale, shift, self.training)

    def _normalised_over_processes(self, x: Tensor) -> Tensor:
        axes, count = [0, *range(2, x.dim())], x.numel() // x.shape[1] * processes()
        mean = across(x.float().mean(axes))
        centred = x.float() - _spread(mean, x)
        variance = across(centred.square().mean(axes))
        with torch.no_grad():  # momentum 0.1, the unbiased variance, and 1e-5 below, as in torch
            self.running_mean.lerp_(mean, 0.1)
            self.running_var.lerp_(variance * count / (count - 1), 0.1)
        return (centred * _spread((variance + 1e-5).rsqrt(), x)).to(x.dtype)


def _spread(values: Tensor, x: Tensor) -> Tensor:
    """Values (…, c) in the shape that x (n, c, …) can be multiplied by."""
    return values[(..., *[None] * (x.dim() - 2))]


def processes() -> int:
    """How many processes share each batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def across(x: Tensor) -> Tensor:
    """The mean over the processes that share a batch; gradients flow through it."""
    world = distributed.group.WORLD if processes() > 1 else None
    return x if world is None else all_reduce(x, "sum", world) / processes()


class Crop(nn.Module):
    """Cuts the middle `size` x `size` out of an image."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        start = (x.shape[-1] - self.size) // 2
        return x[..., start : start + self.size, start : start + self.size]


class Pad(nn.Module):
    """Repeats the border of an image until it is `size` x `size`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        missing = self.size - x.shape[-1]
        before, after = missing // 2, missing - missing // 2
        return nn.functional.pad(x, (before, after, before, after), mode="replicate") if missing else x
