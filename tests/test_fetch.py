"""The real download code, kagglehub's and huggingface_hub's, against a server on this machine."""

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import threading
import zipfile

import pytest

from pixel_edu import data, fetch, sprites
from tests import needs

pytestmark = needs.package("kagglehub", "pip install 'pixel-edu[hub]'")

CLIENT = """
import sys
from kagglesdk import kaggle_env
from pixel_edu import fetch
from pixel_edu.config import UserError
url, fetch.BLOB, out = sys.argv[1:]
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.TEST] = url
try:
    print(fetch.fetch(out))
except UserError as error:
    sys.exit(f"error: {error}")
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    drawn = sprites.make(20)
    return data.write_kaggle(tmp_path_factory.mktemp("published") / "set", drawn.images, drawn.labels)


@pytest.fixture
def server(published):
    """Answers as Kaggle does, or as Hugging Face when `kaggle_is_up` is False."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.server.kaggle_is_up:
                self._send(503, b"{}", "application/json")
            elif self.path.endswith("/GetDataset"):
                self._send(200, json.dumps({"currentVersionNumber": 1}).encode(), "application/json")
            elif self.path.endswith("/DownloadDataset"):
                archive = io.BytesIO()
                with zipfile.ZipFile(archive, "w") as file:
                    for path in published.iterdir():
                        file.write(path, path.name)
                self._send(200, archive.getvalue(), "application/zip")
            else:
                self._send(404, b"{}", "application/json")

        def do_GET(self):
            name = self.path.rpartition("/")[2]
            if self.path.startswith(f"/datasets/{fetch.MIRROR}/resolve/{fetch.REVISION}/"):
                self._send(200, (published / name).read_bytes(), "application/octet-stream")
            else:
                self._send(404, b"{}", "application/json")

        def do_HEAD(self):
            self.do_GET()

        def _send(self, code, body, kind):
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
            self.send_header("X-Repo-Commit", fetch.REVISION)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as here:
        here.kaggle_is_up = True
        threading.Thread(target=here.serve_forever, daemon=True).start()
        yield here
        here.shutdown()


def run_client(url, blob, out, tmp_path):
    settings = {
        "KAGGLE_API_ENVIRONMENT": "TEST",
        "KAGGLEHUB_CACHE": str(tmp_path / "kaggle"),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": url,
    }
    environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()} | settings
    command = [sys.executable, "-c", CLIENT, url, blob, str(out)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def blob_hash(path):
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def address(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("kaggle_is_up", [True, False], ids=["Kaggle", "the mirror"])
def test_a_verified_download_lands_in_the_folder(server, published, tmp_path, kaggle_is_up):
    server.kaggle_is_up = kaggle_is_up
    done = run_client(address(server), blob_hash(published / "sprites.npy"), tmp_path / "got", tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(data.load(tmp_path / "got")) == 20


def test_another_file_than_the_known_one_is_refused_and_not_copied(server, tmp_path):
    done = run_client(address(server), fetch.BLOB, tmp_path / "got", tmp_path)
    assert done.returncode == 1
    assert "is not the known file" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "got").exists()


@pytest.mark.slow
def test_without_a_network_it_says_what_else_to_do(tmp_path):
    done = run_client("http://127.0.0.1:9", fetch.BLOB, tmp_path / "got", tmp_path)
    assert done.returncode == 1
    assert "pixel-edu data make, which need no network" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "got").exists()


def test_without_kagglehub_it_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(data.DataError, match=r"pip install 'pixel-edu\[hub\]'"):
        fetch.fetch()


def test_a_folder_in_use_is_refused_before_anything_is_downloaded(tmp_path):
    (tmp_path / "mine").write_text("keep me")
    with pytest.raises(data.DataError, match="not empty"):
        fetch.fetch(tmp_path)


def test_the_hash_is_the_one_that_git_gives(tmp_path):
    (tmp_path / "hello").write_bytes(b"hello\n")
    fetch.verify(tmp_path / "hello", "ce013625030ba8dba906f756967f9e9ca394464a")  # git hash-object
    with pytest.raises(data.DataError, match="not the known file"):
        fetch.verify(tmp_path / "hello", fetch.BLOB)
    with pytest.raises(data.DataError, match="missing"):
        fetch.verify(tmp_path / "nothing", fetch.BLOB)
