"""How do people learn what came of a retraining? A command of theirs gets it as JSON on its standard input."""

import json
import subprocess
import warnings
from typing import Any

SECONDS = 60


def notify(command: str | None, entry: dict[str, Any]) -> None:
    """Runs the command, if there is one; if it fails, that is a warning: the outcome stands.

    After a kill it may come twice with the same id.
    """
    if not command:
        return
    try:
        subprocess.run(command, shell=True, input=json.dumps(entry), text=True, check=True, timeout=SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        warnings.warn(f"retrain.notify: {error}", stacklevel=2)
