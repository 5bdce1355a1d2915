"""The model that a name means: of the last training, of a folder, or of the registry."""

import shutil
from pathlib import Path

import pytest
import torch

from pullback import files, plugins, weights
from pullback.errors import UserError
from pullback.training import checkpoint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Parameters, two VAEs of a training, and a third one in a registry as its version 7."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    vae = plugins.load("models", "vae")
    for seed, folder in enumerate(("models/vae", "models/vae/last", "registry")):
        torch.manual_seed(seed)
        params = vae.Params(width=4, latent_dim=3)
        description = {"name": "vae", "params": params.model_dump(), "shape": [1, 8, 8], "classes": 0}
        checkpoint.save(tmp_path / folder, vae.build(params, (1, 8, 8)), description)

    def fetch(name: str, wanted: str, folder: Path) -> tuple[str, Path]:
        assert (name, wanted) == ("pullback-vae", "champion")
        return "7", Path(shutil.copytree(tmp_path / "registry", folder / "weights"))

    monkeypatch.setattr(weights, "fetch", fetch)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "alias", "folder", "origin"),
    [
        ("vae", None, "models/vae", "models/vae"),
        ("models/vae/last", None, "models/vae/last", "models/vae/last"),
        ("vae", "champion", "registry", "version 7 of pullback-vae"),
    ],
)
def test_the_model_meant_is_loaded(workspace, name, alias, folder, origin):
    loaded = weights.load(name, alias)
    assert (loaded.name, loaded.shape, loaded.origin) == ("vae", (1, 8, 8), origin)
    expected = files.read_tensors(workspace / folder / "decoder.safetensors")
    found = loaded.model.parts["decoder"].state_dict()
    assert all(torch.equal(found[key].cpu(), tensor) for key, tensor in expected.items())
    assert loaded.model.parts.keys() == {"encoder", "decoder"}


def test_a_model_that_is_not_there_is_told(workspace):
    with pytest.raises(UserError, match=r"^models/gan holds no model \(no \.safetensors file\); run `dvc repro` to"):
        weights.load("gan")
    with pytest.raises(
        UserError, match=r"^there is no model 'foo'; choose among gan, vae, or name a folder of weights"
    ):
        weights.load("foo")


def test_weights_of_another_kind_are_told(workspace):
    files.write_tensors(workspace / "models/extractor/classifier.safetensors", {}, {"map": "classifier"})
    with pytest.raises(UserError, match=r"^models/extractor holds weights of another kind; name the folder of a model"):
        weights.load("extractor")
