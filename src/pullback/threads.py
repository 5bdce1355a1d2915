"""Why do small solvers run on one thread?

Threads that meet at every step of a short loop mostly wait for each other once other programs use the cores: with eight
programs on two cores, t-SNE of 1,500 points took 13 s on one thread and 65 s on two, and an eigh of 500 rows 0.01 s and
4 s. And several threads add up in any order, so that the last bits of a result would change from run to run.
"""

from threadpoolctl import threadpool_limits


def one_thread() -> threadpool_limits:
    """A context in which BLAS and OpenMP use one thread."""
    return threadpool_limits(1)
