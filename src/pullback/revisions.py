"""What stood in the repository at some revision? Files of git and outputs of DVC, from the cache or the remote."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pullback.errors import UserError
from pullback.tracking.places import root


def fetch(revision: str, paths: Sequence[str], folder: Path) -> None:
    """Copies files and folders of a git revision, or of a DVC experiment by its commit, into `folder`.

    What is there of the same name is replaced: a killed copy may have left half of it.

    Raises:
        UserError: no such revision, or it has no such path, or neither cache nor remote has the content.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc_data.index import DataIndexDirError
    from scmrepo.exceptions import SCMError

    try:
        system = DVCFileSystem(str(root()), rev=revision)
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder / path, ignore_errors=True)  # or DVC would copy the folder into it
            system.get(path, str(folder / path), recursive=system.isdir(path))
    except (OSError, DvcException, DataIndexDirError, SCMError) as error:
        raise UserError(
            f"revision {revision} cannot give {', '.join(paths)} ({error}); "
            "fetch it with `dvc pull --all-commits`, or name another revision"
        ) from error
