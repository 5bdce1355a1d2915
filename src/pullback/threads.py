"""Why do small solvers run on one thread?

Threads that meet at every step of a short loop mostly wait for each other once other programs use the cores: with eight
programs on two cores, t-SNE of 1,500 points took 13 s on one thread and 65 s on two, and an eigh of 500 rows 0.01 s and
4 s. And several threads add up in any order, so that the last bits of a result would change from run to run.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from threadpoolctl import threadpool_limits


def one_thread() -> threadpool_limits:
    """A context in which BLAS and OpenMP use one thread."""
    return threadpool_limits(1)


def in_threads(work: Callable[[slice], Any], parts: Iterable[slice]) -> None:
    """Does `work` on all parts, some at a time: one per core, or as many as OMP_NUM_THREADS says.

    The parts must not meet: then the result does not depend on how many threads there are. NumPy leaves most of its
    operations to one core; so each part has one, its matrix products too.
    """
    with one_thread(), ThreadPoolExecutor(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1))) as pool:
        for _ in pool.map(work, parts):
            pass
