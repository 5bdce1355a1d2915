"""What a command tells in words that the person can use."""

import subprocess
import sys

WARNS = """
import warnings
from pullback import cli
with cli._sentences():
    warnings.warn("the disk is slow")
"""


def test_a_warning_of_a_command_is_one_sentence() -> None:
    told = subprocess.run([sys.executable, "-c", WARNS], capture_output=True, text=True, check=True)
    assert told.stderr == "pullback: the disk is slow\n"
