"""The source named in params -> data/raw: the data set's original files, verified."""

from pathlib import Path

from pullback import plugins
from pullback.pipeline import stage

RAW = Path("data/raw")

if __name__ == "__main__":
    with stage("download", keys=["data.name", "data.source"], writes=[RAW]) as run:
        source = plugins.load("data", run.params.data.name)
        source.download(run.params.data.source, RAW)
