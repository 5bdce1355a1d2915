"""torchvision imports beside any build of torch, without a warning, in a fresh process."""

import subprocess
import sys


def test_import_in_a_fresh_process():
    code = "from pullback._torchvision import datasets; assert len(datasets.MNIST.resources) == 4"
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
