"""How is torchvision imported beside a CPU build of torch?

The registry's torchvision is compiled against CUDA. Beside a CPU build of torch its library of operators does not
load, and its import fails because `torchvision::nms` and `torchvision::qnms` do not exist. The project calls neither;
declared without a body, they let the import pass. All users of torchvision import it from here.
"""

import sys

import torch

try:
    from torchvision import datasets
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    _operators = torch.library.Library("torchvision", "DEF")  # the operators live as long as this object
    _operators.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _operators.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import datasets

__all__ = ["datasets"]
