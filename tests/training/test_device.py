import pytest
import torch

from pullback.errors import UserError
from pullback.training import device as module
from pullback.training.device import count, fabric


@pytest.mark.parametrize(("precision", "answer"), [("auto", 1 + 2**-10), ("32-true", 1 + 2**-10), ("bf16-mixed", 1)])
def test_a_processor_rounds_to_bfloat16_only_when_told_to(monkeypatch, precision, answer):
    monkeypatch.setattr(module, "has_bfloat16", lambda kind: True)
    cpu = fabric("cpu", precision)
    assert cpu.device == torch.device("cpu")
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(layer.weight)
    with cpu.autocast():
        assert layer(torch.full((1, 1), 1 + 2**-10)).item() == answer


def test_bfloat16_is_refused_where_the_processor_lacks_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    fabric("cpu", "bf16-mixed")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False, "avx2": True})
    with pytest.raises(UserError, match=r"^train.precision is bf16-mixed, but this cpu has no bfloat16 arithmetic"):
        fabric("cpu", "bf16-mixed")


def test_deterministic_kernels_are_asked_for():
    fabric("cpu", "auto")
    assert torch.are_deterministic_algorithms_enabled()


def test_more_gpus_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert count("cuda", "auto") == 2
    assert count("cpu", "auto") == 1
    assert count("cpu", 5) == 5
    with pytest.raises(UserError, match="devices is 3, but this machine has 2 of the kind cuda; lower it or set auto"):
        count("cuda", 3)


def test_an_accelerator_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="the accelerator 'cuda' is not on this machine; choose auto or cpu"):
        fabric("cuda", "auto")


@pytest.mark.parametrize(
    ("environment", "devices", "nodes", "message"),
    [
        (
            {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8"},
            1,
            1,
            "8 processes were started, but .* is 1; make",
        ),
        ({"SLURM_STEP_NUM_TASKS": "4"}, 2, 1, "4 processes were started, but train.devices x nodes is 2"),
        ({}, 2, 2, "train.nodes is 2: start the training on all of them by torchrun or srun"),
    ],
)
def test_another_number_of_processes_than_asked_for_is_refused(monkeypatch, environment, devices, nodes, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        fabric("cpu", "auto", devices, nodes)
