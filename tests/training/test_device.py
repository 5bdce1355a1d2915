import pytest
import torch

from pullback.training.device import fabric


@pytest.mark.parametrize(("precision", "answer"), [("auto", 1 + 2**-10), ("32-true", 1 + 2**-10), ("bf16-mixed", 1)])
def test_a_processor_rounds_to_bfloat16_only_when_told_to(precision, answer):
    cpu = fabric("cpu", precision)
    assert cpu.device == torch.device("cpu")
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(layer.weight)
    assert cpu.setup_module(layer)(torch.full((1, 1), 1 + 2**-10)).item() == answer


def test_deterministic_kernels_are_asked_for():
    fabric("cpu", "auto")
    assert torch.are_deterministic_algorithms_enabled()
