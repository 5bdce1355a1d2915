"""A program that leaves gives the model's images, and one that does not leaves no file."""

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from typer.testing import CliRunner

from pullback import cli, export, plugins, weights
from pullback.errors import UserError
from pullback.models._model import ImagesFromLatents, Model


def untrained(name: str = "gan", architecture: str = "conv", classes: int = 0) -> Model:
    torch.manual_seed(0)
    module = plugins.load("models", name)
    model = module.build(module.Params(architecture=architecture, width=4, latent_dim=3), (1, 8, 8), classes)
    for part in model.parts.values():
        part.eval().requires_grad_(False)
    return model


def images(path: Path, inputs: np.ndarray) -> np.ndarray:
    """What another program makes of the file."""
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(path).run(["images"], {"latents": inputs})[0]
    return torch.export.load(path).module()(torch.from_numpy(inputs)).numpy()


@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize(
    ("name", "architecture", "classes"), [("gan", "conv", 4), ("gan", "resnet", 0), ("vae", "mlp", 4)]
)
def test_the_program_gives_the_images_of_the_model(tmp_path, suffix, name, architecture, classes):
    model = untrained(name, architecture, classes)
    path = tmp_path / f"model{suffix}"
    assert export.export(model, path) <= 1e-4
    latents = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, 0, 2, 2, 1])
    inputs = torch.column_stack([latents, labels]) if classes else latents
    expected = model.generate(latents, labels).numpy()
    np.testing.assert_allclose(images(path, inputs.numpy()), expected, atol=1e-4)


@pytest.mark.parametrize("off", [0.001, float("nan")])
def test_a_program_that_differs_is_not_written(tmp_path, monkeypatch, off):
    def wrong(program: torch.export.ExportedProgram) -> tuple[bytes, export.Run]:
        content, run = export._pt2(program)
        return content, lambda inputs: run(inputs) + off * (len(inputs) == 7)

    monkeypatch.setitem(export.FORMATS, ".pt2", wrong)
    message = rf"model.pt2 is not written: its images would differ from the model's by {off:.2g}, more than 0.0001; "
    with pytest.raises(UserError, match=re.escape(message)):
        export.export(untrained(), tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


def test_every_class_is_checked():
    inputs = export.latents(ImagesFromLatents(untrained(classes=4)), 7)
    assert inputs.dtype == np.float32
    assert set(inputs[:, 3]) == {0, 1, 2, 3}


def test_what_has_no_format_or_no_packages_is_told(monkeypatch):
    with pytest.raises(UserError, match=r"^model\.pth must end in \.onnx \(for onnxruntime and others\) or \.pt2 "):
        export.check(Path("model.pth"))
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxruntime" else name)
    export.check(Path("model.pt2"))
    with pytest.raises(
        UserError, match=r"model\.onnx needs onnxruntime; run `pip install 'pullback\[onnx\]'`, or name"
    ):
        export.check(Path("model.onnx"))


def test_the_command_exports_the_champion(tmp_path, monkeypatch):
    monkeypatch.setattr(
        weights, "load", lambda model, alias: weights.Loaded(untrained(), "gan", (1, 8, 8), f"{model} {alias}")
    )
    result = CliRunner().invoke(cli.app, ["export", "--alias", "champion", "--out", str(tmp_path / "model.pt2")])
    assert result.exit_code == 0, result.exception
    assert re.match(r"gan champion is in .*model.pt2; its images differ from the model's by at most 0\n", result.output)
    assert (tmp_path / "model.pt2").is_file()
