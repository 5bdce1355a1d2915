"""What do models of the tests share that nobody trains? A subclass says what it draws."""

from typing import Any

from torch import nn

from pullback.models._model import Model


class Untrained(Model):
    """One latent, no classes, and a part without a meaning."""

    updates, averaged, draws_from, latent_dim, classes = {}, [], "part", 1, 0

    def __init__(self) -> None:
        self.parts = {"part": nn.Linear(1, 1)}

    def loss(self, *_: Any) -> Any:
        raise AssertionError("nobody trains it")

    optimizer = generate = loss
