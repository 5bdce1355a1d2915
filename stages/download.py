"""The source named in params -> data/raw: the data set's original files, verified, as retraining last took them."""

from pathlib import Path

from pullback import snapshot
from pullback.pipeline import stage

RAW = Path("data/raw")

if __name__ == "__main__":
    with stage("download", keys=["data.name", "data.source"], writes=[RAW]) as run:
        snapshot.provide(run.params.data, RAW)
