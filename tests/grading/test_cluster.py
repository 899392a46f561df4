"""The same on a cluster, with a worker killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from dask import config
from distributed import Security

from pixel_edu.config import UserError
from pixel_edu.grading import cluster
from pixel_edu.grading.batch import plan
from pixel_edu.grading.results.store import Store
from tests.grading.classroom import ASSIGNMENT, FULL, points
from tests.grading.conftest import LIMITS
from tests.grading.test_batch import submissions

pytestmark = pytest.mark.slow


@pytest.fixture(params=["tcp", "tls"])
def scheduler(request, level, tmp_path, monkeypatch):
    """A scheduler and two workers, started as a user starts them."""
    file, dask = tmp_path / "scheduler.json", f"{os.path.dirname(sys.executable)}/dask"
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    options = ["--no-dashboard", "--scheduler-file", str(file), "--protocol", request.param]
    if request.param == "tls":
        files = {}
        for name, text in vars_of(Security.temporary()).items():
            files[name] = tmp_path / f"{name}.pem"
            files[name].write_text(text)
        options += ["--tls-ca-file", str(files["ca"]), "--tls-cert", str(files["cert"])]
        options += ["--tls-key", str(files["key"])]
        monkeypatch.setitem(config.config["distributed"]["comm"]["tls"], "ca-file", str(files["ca"]))
        client = {"cert": str(files["cert"]), "key": str(files["key"])}
        monkeypatch.setitem(config.config["distributed"]["comm"]["tls"], "client", client)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env}
    started = [subprocess.Popen([dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *options], **quiet)]
    while not file.exists():
        assert started[0].poll() is None
        time.sleep(0.05)
    worker = [dask, "worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path), *options]
    started += [subprocess.Popen(worker, **quiet) for _ in range(2)]
    yield json.loads(file.read_text())["address"], started
    for process in reversed(started):
        process.kill()
        process.wait()


def vars_of(security):
    """The three texts that dask's certificates are made of."""
    return {"ca": security.tls_ca_file, "cert": security.tls_worker_cert, "key": security.tls_worker_key}


def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_is_graded_twice(scheduler, tmp_path):
    address, (_, first, _) = scheduler
    assert cluster.is_local(address)
    store, class_ = Store(tmp_path / "out"), submissions(40)
    saved = []
    for result, notebook in cluster.grade(
        address, plan(class_, ASSIGNMENT, store), ASSIGNMENT, "auto", LIMITS
    ):
        store.save(result, notebook)
        saved.append(result.key)
        if len(saved) == 8:
            first.send_signal(signal.SIGKILL)
    assert sorted(saved) == sorted(each.key for each in class_)
    assert all(points(store.load(each.key)) == FULL for each in class_)
    assert plan(class_, ASSIGNMENT, store) == []


def test_shards_cover_the_class_once(tmp_path):
    store, class_ = Store(tmp_path), submissions(50)
    parts = [plan(class_, ASSIGNMENT, store, shard=(i, 3)) for i in (1, 2, 3)]
    keys = [job.submission.key for part in parts for job in part]
    assert sorted(keys) == sorted(each.key for each in class_)
    assert all(parts)


def test_no_scheduler_is_one_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "TIMEOUT", 1)
    with pytest.raises(UserError, match="no scheduler answers there"):
        list(cluster.grade("tcp://127.0.0.1:9", [], ASSIGNMENT, "auto", LIMITS))


@pytest.mark.parametrize(
    ("address", "local"), [("tls://login:1", True), ("tcp://127.0.0.1:1", True), ("tcp://login:1", False)]
)
def test_an_open_way_is_known(address, local):
    assert cluster.is_local(address) is local
