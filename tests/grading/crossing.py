"""A process that serves answers, forked from the tests' own."""

import contextlib
import os
import socket

import torch

from pixel_edu.grading.rpc import server
from pixel_edu.grading.rpc.client import Client


@contextlib.contextmanager
def across(names, tmp_path):
    """A client of a process of its own that has these names."""
    path = str(tmp_path / "rpc.sock")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(1)
        pid = os.fork()
        if not pid:
            torch.set_num_threads(1)  # threads do not come along
            try:
                server.serve(path, names)
            finally:
                os._exit(0)
        made = Client(listening.accept()[0])
    try:
        yield made
    finally:
        made.close()
        if made.slow:  # it never comes back by itself
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.unlink(path)
