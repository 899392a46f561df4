"""pixel-edu serve, as those who run it and those who ask it meet it: a process, an address, signals."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import command
from tests.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.slow


class Running:
    """A server in a process of its own."""

    def __init__(self, folder, *options):
        self.cwd = folder / "cwd"
        self.cwd.mkdir()
        given = ["serve", "tiny", "--engine", "torch", "--port", 0, "--timeout", PATIENCE, *options]
        environment = os.environ | {"TMPDIR": str(self.cwd), "HOME": str(self.cwd)}
        self.process, self.logs = command.start(*given, cwd=self.cwd, env=environment)
        wait_until(lambda: "is served" in self.said() or not self.process.is_alive(), self.said)
        (port,) = re.findall(r"http://127\.0\.0\.1:(\d+);", self.said())
        self.port = int(port)

    def said(self):
        return "".join(log.read_text() for log in self.logs if log.exists())

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def metric(self, name):
        (value,) = re.findall(
            rf"^{re.escape(name)} (\S+)$", self.ask("GET", "/metrics")[1].decode(), re.MULTILINE
        )
        return float(value)

    def end(self, how):
        os.kill(self.process.pid, how)
        self.process.join(PATIENCE)
        return self.process.exitcode


@contextlib.contextmanager
def running(folder, *options):
    server = Running(folder, *options)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.join()


def test_sigterm_finishes_what_was_accepted_and_ends_with_0(tmp_path):
    with running(tmp_path) as server, ThreadPoolExecutor(8) as threads:
        order = {"num_steps": 80, "format": "json"}
        asked = [
            threads.submit(server.ask, "POST", "/v1/sprites", order | {"seed": seed}) for seed in range(6)
        ]
        stream = threads.submit(server.ask, "GET", "/v1/sprites/stream?num_steps=80&every=50")
        wait_until(lambda: server.metric("pixel_edu_pending_calls") == 7 * 80, server.said)
        assert server.end(signal.SIGTERM) == 0, server.said()
        for answer in asked:
            status, body = answer.result(PATIENCE)
            assert (status, len(json.loads(body)["sprites"])) == (200, 1)
        status, body = stream.result(PATIENCE)
        assert (status, body.decode().count("event: sprites")) == (200, 1)
        assert server.said().endswith("ended; every accepted request was finished\n")
        assert "Traceback" not in server.said()
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0


def test_ctrl_c_ends_it_with_0_and_it_has_written_nothing(tmp_path):
    origins = ("http://localhost:3000", "https://a.test")
    options = (part for origin in origins for part in ("--cors", origin))
    with running(tmp_path, *options, "--root-path", "/art/") as server:
        for origin in (*origins, "http://other.test"):
            headers = {"Origin": origin}
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
            with contextlib.closing(connection):
                connection.request("GET", "/", headers=headers)
                answer = connection.getresponse()
            assert answer.headers["Location"] == "/art/docs"
            assert answer.headers["Access-Control-Allow-Origin"] == (origin if origin in origins else None)
        assert server.ask("POST", "/v1/sprites", {"class": "food", "num_steps": 3})[0] == 200
        assert server.end(signal.SIGINT) == 0, server.said()
        assert len(server.said().splitlines()) == 2
        assert list(server.cwd.iterdir()) == []


def test_a_client_that_goes_away_keeps_nobody_waiting(tmp_path):
    with running(tmp_path) as server:
        body = json.dumps({"num_steps": 1000, "n": 3})
        head = f"POST /v1/sprites HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(f"{head}\r\n\r\n{body}".encode())
            wait_until(lambda: server.metric("pixel_edu_pending_calls") == 3000, server.said)
        wait_until(lambda: server.metric("pixel_edu_pending_calls") == 0, server.said)
        assert server.metric('pixel_edu_requests_total{path="/v1/sprites",status="499"}') == 1
        assert server.metric("pixel_edu_network_images_total") < 3000


def refused(*arguments, cwd):
    done = command.run("serve", *arguments, cwd=cwd)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    return done.returncode, done.stderr


def test_a_port_in_use_is_one_sentence(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, says = refused("--port", port, cwd=tmp_path)
    assert (code, says) == (1, f"error: port {port} is taken: end what uses it, or choose another --port\n")


def test_a_broken_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 1000)
    code, says = refused("model.safetensors", "--port", "0", cwd=tmp_path)
    assert (code, says.partition(":")[0]) == (1, "error")
    assert "model.safetensors is not a checkpoint of this package" in says


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--host", "no.such.host.invalid"], 1, "host no.such.host.invalid is not known"),
        (["--host", "192.0.2.1"], 1, "192.0.2.1:8000 cannot be served on"),
        (["--port", "70000"], 2, "'--port'"),
        (["--queue", "0"], 2, "'--queue'"),
        (["--cors", "localhost:3000"], 1, "'localhost:3000' is not an origin"),
        (["--root-path", "sprites"], 1, "'sprites' is not the beginning of a path"),
    ],
)
def test_a_wrong_option_is_one_sentence(tmp_path, arguments, code, says):
    got, said = refused(*arguments, cwd=tmp_path)
    assert got == code
    assert says in said
