import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from pullback.models._layers import BatchNorm, Chain, Crop, Labelled, Pad, across, processes

LABELS = torch.tensor([0, 1, 2, 0, 1, 2, 2, 2])


def inputs(spatial: tuple[int, ...] = (5, 5)) -> Tensor:
    """Far from 0, where a variance as a difference of squares would suffer."""
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(8, 4, *spatial, generator=generator) * 3 + 50).requires_grad_()


def with_tables(classes: int) -> BatchNorm:
    torch.manual_seed(1)
    norm = BatchNorm(4, classes)
    nn.init.normal_(norm.scale)
    nn.init.normal_(norm.shift)
    return norm


@pytest.mark.parametrize(("spatial", "reference"), [((), nn.BatchNorm1d), ((5, 5), nn.BatchNorm2d)])
def test_without_classes_it_is_torchs(spatial, reference):
    ours, theirs = with_tables(0), reference(4)
    theirs.load_state_dict({"weight": ours.scale[0], "bias": ours.shift[0]}, strict=False)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        mine, other = inputs(spatial), inputs(spatial)
        outputs = ours(mine, LABELS), theirs(other)
        torch.testing.assert_close(*outputs)
        for output in outputs:
            output.square().sum().backward()
        torch.testing.assert_close(mine.grad, other.grad)
        torch.testing.assert_close(ours.scale.grad[0], theirs.weight.grad)
        torch.testing.assert_close(ours.shift.grad[0], theirs.bias.grad)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("spatial", [(), (5, 5)])
def test_with_classes_each_scales_and_shifts_in_its_own_way(spatial, training):
    norm = with_tables(3).train(training)
    x = inputs(spatial)
    normalised = BatchNorm(4).train(training)(x)
    for image, label, expected in zip(norm(x, LABELS), LABELS, normalised, strict=True):
        column = (4, *[1] * len(spatial))
        scale, shift = norm.scale[label].reshape(column), norm.shift[label].reshape(column)
        torch.testing.assert_close(image, expected * scale + shift)


def test_labels_are_demanded_where_there_are_classes():
    with pytest.raises(AssertionError, match="needs labels"):
        BatchNorm(4, 3)(inputs())


def forward(norm: BatchNorm, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """What comes out, and the mean over the images of a loss that is not linear in it."""
    y = norm(x, labels)
    return y, (y * torch.linspace(-1, 1, 25).reshape(5, 5)).exp().flatten(1).sum(1).mean()


def both_kinds(x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    found = {}
    for classes in (0, 3):
        norm, part = with_tables(classes), x.detach().clone().requires_grad_()
        y, loss = forward(norm, part, labels)
        loss.backward()
        values = {"y": y, "x": part.grad, "scale'": norm.scale.grad, "shift'": norm.shift.grad, **norm.state_dict()}
        found |= {f"{key} {classes}": value.detach() for key, value in values.items()}
    half = x.detach().to(torch.bfloat16)
    return found | {"half": with_tables(0)(half, labels).detach()}


def one_of_two(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    own = torch.tensor([1.0 + rank], requires_grad=True)
    (across(own) ** 2 * (rank + 1)).backward()
    found = both_kinds(inputs()[rank::2], LABELS[rank::2])
    torch.save(found | {"across": across(own).detach(), "gradient": own.grad}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_processes_that_share_a_batch_normalise_as_one_does(tmp_path: Path):
    # Not by multiprocessing, whose children cannot import a test.
    children = [subprocess.Popen([sys.executable, __file__, str(rank), str(tmp_path)]) for rank in (0, 1)]
    assert [child.wait(60) for child in children] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    whole = both_kinds(inputs(), LABELS)
    for key, expected in whole.items():
        kind = key.split()[0]
        if kind in ("y", "half"):
            found = torch.stack([first[key], second[key]], 1).flatten(0, 1)
        elif kind == "x":  # each process descends the mean over its own half
            found = torch.stack([first[key], second[key]], 1).flatten(0, 1) / 2
        elif kind in ("scale'", "shift'"):
            found = (first[key] + second[key]) / 2
        else:
            torch.testing.assert_close(first[key], second[key], rtol=0, atol=0)
            found = first[key]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-5 if kind != "half" else 0.1, msg=key)
    # The mean of 1 and 2; loss r is (r + 1) mean^2, and each process is told (1 + 2) * 2 * 1.5 / 2.
    assert [each["across"].item() for each in (first, second)] == [1.5, 1.5]
    assert [each["gradient"].item() for each in (first, second)] == [4.5, 4.5]


def test_one_process_is_a_mean_of_its_own():
    x = torch.ones(3)
    assert processes() == 1
    assert across(x) is x


def test_a_chain_gives_labels_to_the_layers_that_take_them():
    class Shown(Labelled):
        def forward(self, x: Tensor, labels: Tensor | None = None) -> Tensor:
            assert labels is not None
            return x + labels[:, None]

    chain = Chain(nn.Flatten(), Shown(), Chain(Shown(), nn.Identity()))
    assert chain(torch.zeros(2, 1, 1, 1), torch.tensor([3, 5])).tolist() == [[6], [10]]


def test_cropping_cuts_the_middle_and_padding_repeats_the_border():
    square = torch.arange(14.0).expand(1, 1, 14, 14)
    cropped = Crop(12)(square)
    assert cropped.shape == (1, 1, 12, 12)
    assert cropped[0, 0, 0].tolist() == [*range(1, 13)]
    padded = Pad(17)(square)
    assert padded.shape == (1, 1, 17, 17)
    assert padded[0, 0, 0].tolist() == [0, *range(14), 13, 13]
    assert Pad(14)(square) is square
    torch.testing.assert_close(Crop(14)(Pad(16)(square)), square)


if __name__ == "__main__":
    one_of_two(int(sys.argv[1]), sys.argv[2])
