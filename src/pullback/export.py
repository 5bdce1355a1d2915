"""How does a model leave for programs that know nothing of this project? Checked, as ONNX or as torch's own program.

What leaves is the way from latents float32 (n, latent_dim) to images float32 (n, c, h, w) in [-1, 1], for any n. A
conditional model takes the classes as one more column. No file gets its name before the very bytes of it, run by
onnxruntime or by torch.export, have given the model's own images.
"""

import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim, ExportedProgram

from pullback import files
from pullback.errors import UserError
from pullback.models._model import ImagesFromLatents, Model

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]
CHECKED, TOLERANCE = (1, 2, 7), 1e-4  # images at once, and how far they may be off


def check(out: Path) -> None:
    """Whether there is a format for the name `out`.

    Raises:
        UserError: there is none, or the packages for it are not installed.
    """
    if out.suffix not in FORMATS:
        raise UserError(f"{out} must end in .onnx (for onnxruntime and others) or .pt2 (for torch.export.load)")
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if not find_spec(name)]
    if out.suffix == ".onnx" and missing:
        raise UserError(f"{out} needs {' and '.join(missing)}; run `pip install 'pullback[onnx]'`, or name a .pt2")


def export(model: Model, out: Path) -> float:
    """Writes the way from latents to images to `out`, which `check` has accepted; returns how far it is off at most.

    Raises:
        UserError: it is off by more than 0.0001, or the file system refuses.
    """
    module = ImagesFromLatents(model).cpu().eval()
    width = module.latent_dim + bool(module.classes)
    program = torch.export.export(module, (torch.zeros(2, width),), dynamic_shapes=({0: Dim("n")},))
    content, run = FORMATS[out.suffix](program)
    off = float(np.max([_difference(module, run, latents(module, n)) for n in CHECKED]))  # NaN is not lost
    if not off <= TOLERANCE:
        raise UserError(
            f"{out} is not written: its images would differ from the model's by {off:.2g}, more than {TOLERANCE}; "
            "choose the other format"
        )
    files.write_bytes(out, content)
    return off


def latents(module: ImagesFromLatents, n: int) -> NDArray[np.float32]:
    """Inputs for `n` images, of the classes in turn if there are any."""
    drawn = np.random.default_rng(n).standard_normal((n, module.latent_dim), np.float32)
    if not module.classes:
        return drawn
    return np.column_stack([drawn, np.arange(n, dtype=np.float32) % module.classes])


@torch.no_grad()
def _difference(module: nn.Module, run: Run, inputs: NDArray[np.float32]) -> float:
    expected = module(torch.from_numpy(inputs)).numpy()
    return float(np.abs(run(inputs) - expected).max())


def _onnx(program: ExportedProgram) -> tuple[bytes, Run]:
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        made = torch.onnx.export(program, dynamo=True, input_names=["latents"], output_names=["images"], verbose=False)
    assert made is not None
    content = made.model_proto.SerializeToString()
    session = onnxruntime.InferenceSession(content)
    return content, lambda inputs: session.run(None, {"latents": inputs})[0]


def _pt2(program: ExportedProgram) -> tuple[bytes, Run]:
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    module = torch.export.load(file).module()
    return file.getvalue(), lambda inputs: module(torch.from_numpy(inputs)).numpy()


FORMATS = {".onnx": _onnx, ".pt2": _pt2}
