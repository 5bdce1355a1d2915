import pytest
from torch import nn

from pullback.training.ema import Ema


def part(value: float) -> nn.Module:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, value)
    return layer


def test_one_update_by_hand():
    source = part(0)
    ema = Ema({"generator": source}, ["generator"], halflife_images=100)
    nn.init.constant_(source.weight, 1)
    ema.update(50, seen_images=10_000)  # half of a half-life
    assert ema.modules["generator"].weight.item() == pytest.approx(1 - 0.5**0.5)


def test_after_a_half_life_half_of_the_old_weights_are_left():
    source = part(8)
    ema = Ema({"generator": source}, ["generator"], halflife_images=100)
    nn.init.constant_(source.weight, 0)
    for step in range(10):
        ema.update(10, seen_images=10_000 + 10 * step)
    assert ema.modules["generator"].weight.item() == pytest.approx(4)


def test_the_half_life_is_at_most_a_twentieth_of_the_images_seen():
    source = part(0)
    ema = Ema({"generator": source}, ["generator"], halflife_images=1000)
    nn.init.constant_(source.weight, 1)
    ema.update(10, seen_images=200)  # a half-life of 10 images
    assert ema.modules["generator"].weight.item() == pytest.approx(0.5)
    young = Ema({"generator": source}, ["generator"], halflife_images=1000)
    nn.init.constant_(source.weight, 3)
    young.update(10, seen_images=10)  # of half an image
    assert young.modules["generator"].weight.item() == pytest.approx(3, abs=1e-5)


def test_batch_statistics_are_averaged_and_other_parts_ignored():
    source = nn.BatchNorm1d(3)
    ema = Ema({"generator": source, "discriminator": part(1)}, ["generator"], 10)
    source.running_mean.fill_(8)
    ema.update(10, 10_000)
    assert list(ema.modules) == ["generator"]
    assert ema.modules["generator"].running_mean.tolist() == [4, 4, 4]
    assert not ema.modules["generator"].training
    assert source.training
