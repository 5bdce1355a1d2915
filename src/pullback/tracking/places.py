"""Where do the runs of a repository and what stands for them lie?"""

import os
from pathlib import Path


def root() -> Path:
    """The repository's root, also in the throw-away copies in which DVC runs `--temp` and queued experiments.

    DVC sets DVC_ROOT for every stage, and for those copies to the repository that they were made from.
    """
    return Path(os.environ.get("DVC_ROOT") or Path.cwd()).resolve()


def runs_path(stage: str) -> Path:
    """`train@gan` -> `runs/train/gan.json`."""
    return Path("runs", f"{stage.replace('@', '/')}.json")


def store_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or default_uri()


def default_uri() -> str:
    return f"sqlite:///{root() / 'mlflow.db'}"


def offline_folder() -> Path:
    """What is recorded while the tracking server is away."""
    return root() / ".pullback" / "offline"


def offline_uri() -> str:
    return f"sqlite:///{offline_folder() / 'mlflow.db'}"
