"""A third model, complete in one file: a mean image, an offset of it for every class, and noise of one size."""

import torch
from torch import Tensor, nn

from pullback.config import Positive
from pullback.models._model import Batch, Model, ModelParams


class Params(ModelParams):
    noise: Positive = 0.1


class Mean(nn.Module):
    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(shape))
        self.offsets = nn.Parameter(torch.zeros(max(1, classes)))

    def forward(self, labels: Tensor | None) -> Tensor:
        offsets = self.offsets[:1] if labels is None or len(self.offsets) == 1 else self.offsets[labels]
        return self.mean + offsets[:, None, None, None]


class MeanModel(Model):
    updates = {"mean": ["mean"]}
    averaged = ["mean"]
    draws_from = "mean"

    def __init__(self, params: Params, shape: tuple[int, int, int], classes: int) -> None:
        self.params, self.latent_dim, self.classes = params, params.latent_dim, classes
        self.parts = {"mean": Mean(shape, classes)}

    def loss(self, update: str, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        value = (self.parts["mean"](batch.labels) - batch.images).square().mean()
        return value, {"loss": value}

    def optimizer(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=self.params.learning_rate)

    def generate(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        return (self.parts["mean"](labels) + self.params.noise * latents[:, :1, None, None]).clamp(-1, 1)


def build(params: Params, shape: tuple[int, int, int], classes: int = 0) -> MeanModel:
    return MeanModel(params, shape, classes)
