"""One thread per process: on tiny tensors two only wait for each other, on busy cores a hundred times as long."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; child processes inherit it
