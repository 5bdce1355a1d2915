"""Which features do the published scores rest on? Those of Inception-v3 with the TensorFlow weights of 2015-12-05.

Network, weights and default resize are those of torch-fidelity (Obukhov 2020), which reproduces the original FID
(Heusel et al. 2017): d = 2048 after the last pooling, and the 1008 logits without bias of the Inception score. Grey
images are repeated to three channels. `resize: clean` is the antialiased bicubic of clean-fid (Parmar et al. 2022): per
channel, clipped to [0, 255] and not rounded.

Agrees with torch-fidelity's own pipeline to 1e-5 in features and logits, and to 1e-6 of the FID; with clean-fid's
resize to 1e-4 grey levels. It is faster: channels last, and batch norm folded into the convolutions.
"""

import io
import json
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from pullback import config, download, files
from pullback.errors import UserError
from pullback.features._exact import exactly, levels
from pullback.features._map import Embedded, FeatureMap, digest

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
REMEDY = f"fetch {URL} by hand and set features.maps.inception.weights, or --weights, to its path"
SIZE = (299, 299)


class Params(config.Params):
    weights: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] = (
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    )
    resize: Literal["tensorflow", "clean"] = "tensorflow"
    bfloat16: bool = False


def build(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    classes: int,
    params: Params,
    seed: int,
    device: torch.device,
    folder: Path,
) -> None:
    """Fetches the weights, verifies them before it reads them, and writes them to `folder`; only `params` matter.

    Raises:
        UserError: the file is missing, out of reach, not of that sha256, or holds no weights of this network.
    """
    origin = params.weights or URL
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "weights.pth"
        download.fetch(origin, path, params.sha256, remedy=REMEDY)
        network = _network(_state(origin, path), origin)
    header = params.model_dump(exclude={"weights"})
    files.write_tensors(folder / "inception.safetensors", network.state_dict(), header)


def load(folder: Path, device: torch.device) -> FeatureMap:
    """The network that `build` wrote into `folder`; raises `UserError` if there is none."""
    path = Path(folder) / "inception.safetensors"
    header = files.read_header(path)
    network = _network(files.read_tensors(path), path)
    logits = network.fc.weight.T.to(device)
    layers = _layers(network).to(device, torch.bfloat16 if header["bfloat16"] else torch.float32)
    layers = layers.to(memory_format=torch.channels_last)
    embed = partial(_embed, RESIZE[header["resize"]], layers, logits)
    identity = digest(json.dumps(header, sort_keys=True).encode())
    return FeatureMap("inception", identity, header["resize"], None, embed, batch=16 if device.type == "cpu" else 128)


def scores(*_: Any) -> dict[str, float]:
    """Nothing to test: its classes are not those of the data."""
    return {}


@exactly()
def _embed(
    resize: Callable[[Tensor], Tensor], layers: nn.Sequential, logits: Tensor, images: NDArray[np.uint8]
) -> Embedded:
    shown = (resize(levels(images, logits.device)) - 128) / 128
    dtype = next(layers.parameters()).dtype
    features = layers(shown.expand(-1, 3, -1, -1).to(dtype, memory_format=torch.channels_last)).float()
    return features.cpu().numpy(), (features @ logits).cpu().numpy()


def resize_tensorflow(images: Tensor) -> Tensor:
    """Images float32 (n, c, h, w) -> (n, c, 299, 299) as TensorFlow 1 does: bilinear, corner on corner, aliased."""
    package = _torch_fidelity().interpolate_compat_tensorflow
    return package.interpolate_bilinear_2d_like_tensorflow1x(images, SIZE, align_corners=False)


def resize_clean(images: Tensor) -> Tensor:
    """Images float32 (n, c, h, w) from 0 to 255 -> (n, c, 299, 299) as clean-fid does."""
    place = "cpu" if images.device.type == "mps" else images.device  # which has no float64, in which Pillow reckons
    resized = nn.functional.interpolate(images.to(place, torch.float64), SIZE, mode="bicubic", antialias=True)
    return resized.clamp(0, 255).float().to(images.device)


RESIZE = {"tensorflow": resize_tensorflow, "clean": resize_clean}


def _state(origin: str, path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its unpickler raises of all kinds
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 120)
        raise UserError(f"{origin} is no file of weights that torch.load reads ({reason}); {REMEDY}") from error


def _network(state: dict[str, Tensor], origin: object) -> Any:
    """torch-fidelity's network with these weights. Its constructor would unpickle their file, so it gets a copy."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):
            extractor = _torch_fidelity().FeatureExtractorInceptionV3
            return extractor("inception-v3-compat", ["2048", "logits_unbiased"], file)
    except (RuntimeError, TypeError) as error:
        raise UserError(f"{origin} does not fit Inception-v3: {textwrap.shorten(str(error), 240)}; {REMEDY}") from error


def _layers(network: Any) -> Any:
    """All before the logits: its children, in their order, are the layers; batch norm goes into the convolutions."""
    for block in network.modules():
        if hasattr(block, "bn"):
            block.conv, block.bn = fuse_conv_bn_eval(block.conv, block.bn), nn.Identity()
    return nn.Sequential(*list(network.children())[:-1], nn.Flatten())


def _torch_fidelity() -> Any:
    """The package; it imports torchvision, which beside a CPU build of torch must be imported our way first."""
    import pullback._torchvision  # noqa: F401, I001
    import torch_fidelity

    return torch_fidelity
