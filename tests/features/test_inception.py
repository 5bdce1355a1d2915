"""The published weights are not here: a seeded random state dict in the very format of their file stands for them."""

import hashlib
import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import pullback._torchvision  # noqa: F401  before torch_fidelity and cleanfid
from pullback.errors import UserError
from pullback.evaluation.fid import frechet_distance
from pullback.features import inception

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights under which activations neither vanish nor explode."""
    from torch_fidelity import FeatureExtractorInceptionV3

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_):
            pass

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Blank("inception-v3-compat", ["2048"], empty)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.7, 1.1)
                torch.nn.init.normal_(module.bias, std=0.1)
                torch.nn.init.normal_(module.running_mean, std=0.1)
                torch.nn.init.uniform_(module.running_var, 0.8, 1.2)
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built(folder: Path, weights: Path, **settings: object) -> Path:
    """`folder` with the map in it."""
    params = inception.Params(weights=str(weights), sha256=sha256(weights), **settings)
    inception.build(None, None, 0, params, 0, CPU, folder)  # of the images it needs none
    return folder


@pytest.fixture(scope="module")
def folder(weights, tmp_path_factory):
    return built(tmp_path_factory.mktemp("inception"), weights)


@pytest.fixture(scope="module")
def feature_map(folder):
    return inception.load(folder, CPU)


@pytest.fixture(scope="module")
def clean(weights, tmp_path_factory):
    return inception.load(built(tmp_path_factory.mktemp("clean"), weights, resize="clean"), CPU)


@pytest.fixture(scope="module")
def theirs(weights):
    """torch-fidelity's own extractor of the same weights."""
    from torch_fidelity.utils import create_feature_extractor

    features = ["2048", "logits_unbiased"]
    return create_feature_extractor(
        "inception-v3-compat", features, cuda=False, feature_extractor_weights_path=weights, verbose=False
    )


def images(n: int, c: int, h: int, w: int, seed: int = 0) -> np.ndarray:
    """Coloured patches, so that the images are not all alike to the network."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, c, 4, 4)).repeat(-(-h // 4), 2).repeat(-(-w // 4), 3)[..., :h, :w]
    return (coarse + rng.integers(-20, 20, coarse.shape)).clip(0, 255).astype(np.uint8)


def saved(folder: Path, images: np.ndarray) -> Path:
    """`folder` with each image in a PNG file."""
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(folder / f"{number:03}.png")
    return folder


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8), (3, 32, 32), (1, 299, 299), (3, 299, 299), (3, 320, 200)])
def test_features_and_logits_are_those_of_torch_fidelity(feature_map, theirs, tmp_path, shape):
    from torch_fidelity.utils import extract_featuresdict_from_input_id

    given = images(2, *shape)
    folder = saved(tmp_path / "images", given)
    expected = extract_featuresdict_from_input_id(
        1, theirs, input1=str(folder), batch_size=2, cuda=False, save_cpu_ram=True, verbose=False
    )
    features, logits = feature_map(given)
    assert features.dtype == logits.dtype == np.float32
    assert features.shape == (2, 2048)
    assert logits.shape == (2, 1008)
    assert features.std() > 0.1
    np.testing.assert_allclose(features, expected["2048"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(logits, expected["logits_unbiased"], rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*singular covariance:UserWarning")
def test_fid_is_that_of_torch_fidelity(feature_map, weights, tmp_path):
    from torch_fidelity import calculate_metrics

    real, fake = images(6, 3, 32, 32, seed=1), images(5, 3, 32, 32, seed=2) // 4
    theirs = calculate_metrics(
        input1=str(saved(tmp_path / "real", real)),
        input2=str(saved(tmp_path / "fake", fake)),
        fid=True,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=weights,
    )["frechet_inception_distance"]
    assert frechet_distance(feature_map(real)[0], feature_map(fake)[0]) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (28, 40), (299, 299), (320, 200)])
def test_clean_resize_is_that_of_clean_fid(size):
    given = images(2, 3, *size)
    resized = inception.resize_clean(torch.from_numpy(given).float()).numpy()
    np.testing.assert_allclose(resized, clean_fid_resized(given), rtol=0, atol=1e-4)


def clean_fid_resized(images: np.ndarray) -> np.ndarray:
    from cleanfid.resize import make_resizer

    resize = make_resizer("PIL", False, "bicubic", (299, 299))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, on clean-fid's calls
        return np.stack([resize(image.transpose(1, 2, 0)).transpose(2, 0, 1) for image in images])


def test_clean_features_are_those_of_the_network_behind_clean_fids_resize(clean, theirs):
    given = images(2, 3, 32, 32)
    resized = torch.from_numpy((clean_fid_resized(given) - 128) / 128)
    with theirs.Conv2d_1a_3x3.register_forward_pre_hook(lambda *_: (resized,)):  # in place of its own resize
        expected = theirs(torch.from_numpy(given))[0]
    assert clean.resize == "clean"
    np.testing.assert_allclose(clean(given)[0], expected, rtol=1e-5, atol=1e-5)


def test_features_do_not_depend_on_the_batch(feature_map):
    given = images(5, 3, 16, 16)
    features, logits = feature_map(given)
    for batch in (1, 2, 3):
        some_features, some_logits = feature_map(given, batch)
        np.testing.assert_allclose(some_features, features, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(some_logits, logits, rtol=1e-5, atol=1e-5)


def test_bfloat16_changes_features_a_little(feature_map, weights, tmp_path):
    given = images(2, 3, 16, 16)
    features, _ = feature_map(given)
    fast = inception.load(built(tmp_path, weights, bfloat16=True), CPU)
    fast_features, logits = fast(given)
    assert fast_features.dtype == logits.dtype == np.float32
    assert 1e-4 < np.abs(fast_features - features).max() / features.max() < 0.03
    assert fast.digest != feature_map.digest


def test_the_digest_tells_weights_and_settings_apart(feature_map, clean, weights, tmp_path):
    state = torch.load(weights)
    torch.save(state | {"fc.bias": state["fc.bias"] + 1}, tmp_path / "other.pth")
    other = inception.load(built(tmp_path, tmp_path / "other.pth"), CPU)
    assert len({feature_map.digest, clean.digest, other.digest}) == 3
    assert (feature_map.name, feature_map.resize, feature_map.shape) == ("inception", "tensorflow", None)


def test_weights_come_from_an_address_and_it_does_not_matter_which(feature_map, weights, site, tmp_path):
    site.files["w.pth"] = weights.read_bytes()
    params = inception.Params(weights=f"{site.url}/w.pth", sha256=sha256(weights))
    inception.build(None, None, 0, params, 0, CPU, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["inception.safetensors"]
    assert inception.load(tmp_path, CPU).digest == feature_map.digest


def test_the_global_generator_is_left_as_it_was(folder):
    before = torch.get_rng_state()
    inception.load(folder, CPU)
    assert torch.equal(torch.get_rng_state(), before)


def refusal(folder: Path, **params: str) -> str:
    with pytest.raises(UserError) as error:
        inception.build(None, None, 0, inception.Params(**params), 0, CPU, folder)
    assert not list(folder.glob("*.safetensors"))
    return str(error.value)


BY_HAND = "fetch https://github.com/toshas/torch-fidelity/releases/.* by hand and set features.maps.inception.weights"


def test_weights_out_of_reach_are_told_with_the_way_by_hand(site, tmp_path):
    assert re.search(rf"none\.pth is no file; {BY_HAND}", refusal(tmp_path, weights=str(tmp_path / "none.pth")))
    assert re.search(rf"/w\.pth answered 404 .*; {BY_HAND}", refusal(tmp_path, weights=f"{site.url}/w.pth"))
    assert re.search(rf"/w\.pth failed in 3 tries .* {BY_HAND}", refusal(tmp_path, weights="http://127.0.0.1:9/w.pth"))


class Trap:
    """Unpickling it would run code."""

    def __reduce__(self):
        return Path.touch, (Path("trapped"),)


def test_a_wrong_digest_is_told_before_the_file_is_read(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"<html>please log in</html>")
    assert re.search(
        f"w.pth has the sha256 {sha256(path)}, not 6726825d.*; .* {BY_HAND}", refusal(tmp_path, weights=str(path))
    )


def test_a_file_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"
    torch.save(Trap(), path)
    told = refusal(tmp_path, weights=str(path), sha256=sha256(path))
    assert re.search(rf"w\.pth is no file of weights that torch\.load reads \(.*\); {BY_HAND}", told)
    assert not Path("trapped").exists()


def test_weights_of_another_network_are_told(weights, tmp_path):
    state = torch.load(weights)
    first = "Conv2d_1a_3x3.conv.weight"
    for wrong, told in (
        ({"zzz": state[first]}, f'Missing key.* "{first}", "Conv2d_1a_3x3.bn'),
        (state | {first: state[first][:, :1]}, f"size mismatch for {first}"),
        (state[first], "dict"),
    ):
        path = tmp_path / "w.pth"
        torch.save(wrong, path)
        assert re.search(
            rf"w\.pth does not fit Inception-v3: .*{told}.*; {BY_HAND}",
            refusal(tmp_path, weights=str(path), sha256=sha256(path)),
        )


@pytest.mark.parametrize("params", [{"sha256": "6726825d"}, {"resize": "bilinear"}, {"bfloat16": 1}])
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        inception.Params(**params)


def test_a_map_that_was_not_built_is_told(tmp_path):
    with pytest.raises(UserError, match=r"inception\.safetensors does not exist"):
        inception.load(tmp_path, CPU)


def test_there_is_nothing_to_test():
    assert inception.scores(None, None, None) == {}
