"""The API as a web developer tries it first: any HTTP client, a page on another port, a proxy, a cache, a slow line."""

import contextlib
import http.client
import io
import re
import socket
import time

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from pixel_edu.config import UserError
from pixel_edu.serving import server, web
from pixel_edu.serving.api import create_app
from pixel_edu.serving.studio import Limits

PATIENCE = 60
FOOD = "class=food&seed=7&num_steps=2"
PAGE = "http://localhost:3000"


@pytest.fixture(scope="module")
def app(tiny):
    return create_app(tiny, Limits(seconds=PATIENCE), origins=[PAGE])


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def port(tiny):
    """Of a real server that does not wait long for a body, behind a proxy that strips a prefix."""
    with server.background(
        create_app(tiny, Limits(seconds=1), prefix="/art/sprites/"), patience=1
    ) as address:
        yield int(address.rpartition(":")[2])


@pytest.fixture(scope="module")
def patient_port(tiny):
    """Of one behind the same proxy that answers however busy the machine is."""
    with server.background(create_app(tiny, Limits(seconds=PATIENCE), prefix="/art/sprites/")) as address:
        yield int(address.rpartition(":")[2])


def asked(port, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def drawn(port):
    """How many sprites a server has finished."""
    text = asked(port, "GET", "/metrics")[2].decode()
    return float(re.search(r"^pixel_edu_sprites_total (\S+)$", text, re.MULTILINE)[1])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/openapi.json",
        "/healthz",
        "/readyz",
        f"/v1/sprites?{FOOD}",
        f"/sprite.png?{FOOD}",
        "/v1/sprites/stream",
    ],
)
def test_head_says_what_get_says_without_the_body(patient_port, path):
    status, headers, body = asked(patient_port, "GET", path)
    assert len(body) > 0 or status == 307
    bare, bare_headers, nothing = asked(patient_port, "HEAD", path)
    assert (bare, nothing) == (status, b"")
    for name in {"content-type", "content-length", "etag", "location"} & {each.lower() for each in headers}:
        assert bare_headers[name] == headers[name]


def test_head_of_metrics_and_of_a_wrong_order(port):
    assert asked(port, "HEAD", "/metrics")[0] == 200
    assert asked(port, "HEAD", "/v1/sprites?n=0")[0] == 422


def test_head_of_a_stream_draws_nothing(patient_port):
    before = drawn(patient_port)
    status, headers, _ = asked(patient_port, "HEAD", "/v1/sprites/stream?num_steps=2")
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert asked(patient_port, "HEAD", "/v1/sprites/stream?every=0")[0] == 422
    asked(patient_port, "GET", f"/v1/sprites?{FOOD}&n=2")
    assert drawn(patient_port) == before + 2


def test_an_address_gives_what_post_gives(client):
    by_get = client.get("/v1/sprites", params="class=food&seed=7&num_steps=2&n=3&scale=4&guidance_scale=1.5")
    order = {"class": "food", "seed": 7, "num_steps": 2, "n": 3, "scale": 4, "guidance_scale": 1.5}
    by_post = client.post("/v1/sprites", json=order)
    assert by_get.content == by_post.content
    for name in ("Seed", "Content-Type", "Content-Disposition"):
        assert by_get.headers[name] == by_post.headers[name]
    as_json = client.get("/v1/sprites", params=f"{FOOD}&format=json")
    assert as_json.json()["sprites"][0]["class"] == "food"


def test_with_a_seed_an_address_is_kept_and_asked_again_by_its_tag_without_drawing(client):
    first = client.get(f"/v1/sprites?{FOOD}")
    assert first.headers["Cache-Control"] == "public, max-age=86400"
    tag = first.headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    calls = client.app.state.metrics.images._value.get()
    for given in (tag, f'"other", W/{tag}', "*"):
        again = client.get(f"/v1/sprites?{FOOD}", headers={"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert client.app.state.metrics.images._value.get() == calls
    changed = client.get(f"/v1/sprites?{FOOD}", headers={"If-None-Match": '"other"'})
    assert (changed.status_code, changed.content) == (200, first.content)
    assert client.get("/v1/sprites?class=food&seed=8&num_steps=2").headers["ETag"] != tag


def test_a_server_that_was_started_again_knows_a_tag_and_draws_nothing_for_it(client, tiny):
    tag = client.get(f"/v1/sprites?{FOOD}").headers["ETag"]
    with TestClient(create_app(tiny)) as other:
        calls = other.app.state.metrics.images._value.get()
        again = other.get("/v1/sprites?num_steps=2&n=1&seed=7&class=food", headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert other.app.state.metrics.images._value.get() == calls


@pytest.mark.parametrize(
    "more", ["n=2", "format=json", "format=indexed", "scale=2", "transparent=1", "sampler=ddim"]
)
def test_every_field_that_changes_the_answer_changes_its_tag(client, more):
    plain, changed = (client.get(f"/v1/sprites?{FOOD}{rest}") for rest in ("", f"&{more}"))
    assert changed.status_code == 200
    assert changed.headers["ETag"] != plain.headers["ETag"]


def test_tags_may_come_in_several_headers(client):
    for path in ("/v1/sprites", "/sprite.png"):
        tag = client.get(f"{path}?{FOOD}").headers["ETag"]
        given = [("If-None-Match", '"a"'), ("If-None-Match", tag)]
        assert client.get(f"{path}?{FOOD}", headers=given).status_code == 304


def test_what_cannot_be_drawn_has_no_tag(client):
    answer = client.get("/v1/sprites?class=dragon&seed=1", headers={"If-None-Match": "*"})
    assert answer.status_code == 422
    assert "ETag" not in answer.headers


def test_without_a_seed_an_address_is_never_kept(client):
    one, other = (
        client.get("/v1/sprites?num_steps=2&format=json", headers={"If-None-Match": "*"}) for _ in "ab"
    )
    assert one.headers["Cache-Control"] == "no-store"
    assert "ETag" not in one.headers
    assert one.headers["Seed"] != other.headers["Seed"]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("seed=abc", "seed is 'abc': input should be a valid integer"),
        ("class=Essen", "class is 'Essen': input should be 'characters'"),
        ("class=%F0%9F%8D%8E", "class is '🍎': input should be 'characters'"),
        ("seed=[1,2]", "seed is '[1,2]': input should be a valid integer"),
        ("format=webp", "format is 'webp': input should be 'png', 'json' or 'indexed'"),
        ("n=65", "n is '65': input should be less than or equal to 64"),
        ("seed=1&n=2&seed=2", "seed is given 2 times: give it once"),
        ("prompt=cat", "'prompt' is not a field of an order: see /docs"),
    ],
)
def test_a_wrong_query_is_one_sentence(client, query, says):
    answer = client.get(f"/v1/sprites?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(says)


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "application/octet-stream", None],
)
def test_a_body_is_read_as_json_whatever_a_client_calls_it(client, kind):
    headers = {"Content-Type": kind} if kind else {}
    answer = client.post("/v1/sprites", content=b'{"class": "food", "num_steps": 2}', headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


def test_a_form_is_told_what_to_send(client):
    answer = client.post("/v1/sprites", data={"class": "food"})
    assert answer.status_code == 422
    says = 'the body is not JSON: Expecting value, at character 0; an order looks like {"class": "food"}'
    assert answer.json()["error"] == says


def test_a_compressed_body_is_told_to_come_as_it_is(client):
    answer = client.post("/v1/sprites", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (
        415,
        {"error": "the body is compressed with gzip: send it as it is"},
    )


def test_a_body_that_get_does_not_need_is_bounded_too(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        head = b"GET /v1/sprites?n=3&num_steps=1000 HTTP/1.1\r\nHost: x\r\nContent-Length: 20001\r\n\r\n"
        line.sendall(head + b"x" * 20_000)
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("more", [b"", b'{"class"'], ids=["none of it", "half of it"])
def test_a_body_that_does_not_come_ends_the_connection(port, more):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        began = time.monotonic()
        head = b"POST /v1/sprites HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        line.sendall(head + more)
        answer = b"".join(iter(lambda: line.recv(4096), b""))  # to the end of the connection
    assert 0.9 < time.monotonic() - began < PATIENCE
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()
    assert answer.endswith(b'{"error":"the body did not come whole within 1 s: send it again"}')


def test_a_body_that_trickles_in_ends_the_connection_too(port):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.sendall(b"POST /v1/sprites HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
        line.settimeout(0.2)
        answer, until = b"", time.monotonic() + PATIENCE
        while not answer:
            assert time.monotonic() < until
            line.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                answer = line.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "before", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["at once", "later"]
)
@pytest.mark.parametrize("half", [b"", b"GET /docs HTTP/1.1\r\nHo"], ids=["nothing", "half"])
def test_a_connection_on_which_no_request_comes_is_ended(port, before, half):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        line.sendall(before)
        answer = line.recv(4096) if before else b""
        line.sendall(half)
        rest = b"".join(iter(lambda: line.recv(4096), b""))
    assert (answer + rest).count(b"HTTP/1.1 ") == bool(before)


def test_a_connection_may_ask_again_and_again_for_longer_than_a_head_may_take(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.connect()
        line, until = connection.sock, time.monotonic() + 1.5
        while time.monotonic() < until:
            connection.request("GET", "/healthz")
            assert connection.getresponse().read() == b'{"status":"alive"}'
            time.sleep(0.2)
        assert connection.sock is line


def test_a_page_of_an_origin_that_was_named_may_ask_and_read(client):
    answer = client.get(f"/v1/sprites?{FOOD}", headers={"Origin": PAGE})
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Seed" in answer.headers["Access-Control-Expose-Headers"]
    assert answer.headers["Vary"] == "Origin"
    wrong = client.post("/v1/sprites", json={"n": 0}, headers={"Origin": PAGE})
    assert (wrong.status_code, wrong.headers["Access-Control-Allow-Origin"]) == (422, PAGE)
    before = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    may = client.options("/v1/sprites", headers={"Origin": PAGE} | before)
    assert (may.status_code, may.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
    assert "content-type" in may.headers["Access-Control-Allow-Headers"]


def test_a_page_of_another_origin_is_told_which_option_it_needs(client, tiny):
    other = {"Origin": "http://localhost:9", "Access-Control-Request-Method": "POST"}
    says = {
        "error": "pages of http://localhost:9 may not ask: start the server with --cors http://localhost:9"
    }
    answer = client.options("/v1/sprites", headers=other)
    assert (answer.status_code, answer.json()) == (400, says)
    assert "Access-Control-Allow-Origin" not in answer.headers
    method = client.options("/v1/sprites", headers={"Origin": PAGE, "Access-Control-Request-Method": "PUT"})
    assert (method.status_code, method.json()) == (400, {"error": "use GET, HEAD or POST, not PUT"})
    closed = TestClient(create_app(tiny))
    answer = closed.options("/v1/sprites", headers=other)
    assert (answer.status_code, answer.json()) == (405, says)
    assert "Access-Control-Allow-Origin" not in closed.get("/healthz", headers=other).headers
    closed.app.state.studio.close()


def test_every_page_may_ask_if_so_wished(tiny):
    app = create_app(tiny, origins=["*"])
    answer = TestClient(app).get("/healthz", headers={"Origin": "null"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    app.state.studio.close()


@pytest.mark.parametrize(
    "origin", ["localhost:3000", "http://localhost:3000/", "http://a.b/c", "", "http://a b"]
)
def test_what_is_not_an_origin_is_refused(origin):
    with pytest.raises(UserError, match="is not an origin: write it as http://localhost:3000"):
        web.checked_origin(origin)


def test_behind_a_proxy_redirects_pages_and_the_document_stay_inside_the_prefix(patient_port):
    for path in ("/", "/docs/", "/art/sprites", "/art/sprites/", "/art/sprites/docs/"):
        status, headers, _ = asked(patient_port, "GET", path)
        assert (status, headers["Location"]) == (307, "/art/sprites/docs")
    # a proxy that leaves the prefix, or none
    assert asked(patient_port, "GET", "/art/sprites/docs")[0] == 200
    page = asked(patient_port, "GET", "/docs")[2].decode()
    assert f"curl http://127.0.0.1:{patient_port}/art/sprites/v1/sprites --json" in page
    assert not re.search(
        r'(?:href|src|action)="/|EventSource\("/', page
    )  # addresses are relative to the page's own
    assert b'"servers":[{"url":"/art/sprites"}]' in asked(patient_port, "GET", "/openapi.json")[2]
    says = b'{"error":"there is nothing at /art/sprites/v1/sprite: see /art/sprites/docs"}'
    assert asked(patient_port, "GET", "/v1/sprite")[2] == says
    says = b'{"error":"\'sed\' is not a field of an order: see /art/sprites/docs"}'
    assert asked(patient_port, "GET", "/v1/sprites?sed=1")[2] == says
    picture = asked(patient_port, "GET", f"/v1/sprites?{FOOD}")[2]
    assert np.array(Image.open(io.BytesIO(picture))).shape == (128, 128, 3)


@pytest.mark.parametrize(
    ("given", "prefix"), [("", ""), ("/", ""), ("/a", "/a"), ("/a/b/", "/a/b"), ("/a_b-c.d~1", "/a_b-c.d~1")]
)
def test_a_prefix_needs_no_slash_at_its_end(given, prefix):
    assert web.checked_prefix(given) == prefix


@pytest.mark.parametrize("given", ["a", "//a", "http://x/a", "/ä", "/a b", "/a?b"])
def test_what_is_not_a_prefix_is_refused(given):
    with pytest.raises(UserError, match="is not the beginning of a path: write one such as /sprites"):
        web.checked_prefix(given)


@pytest.mark.parametrize(
    "path", ["/v1/sprites/?seed=1&num_steps=2", "/healthz/", "/v1/sprites/stream/?num_steps=1"]
)
def test_a_slash_too_many_is_redirected_on_this_server(client, path):
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, path.replace("/?", "?").rstrip("/"))
    assert client.get(path).status_code == 200
    assert client.post("/v1/sprites/", json={"num_steps": 2}).status_code == 200


@pytest.mark.parametrize("path", ["//v1/sprites?seed=1&num_steps=2", "/v1//sprites/?seed=1&num_steps=2"])
def test_a_doubled_slash_is_redirected_on_this_server(client, path):
    answer = client.get(f"http://testserver{path}", follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (307, "/v1/sprites?seed=1&num_steps=2")


@pytest.mark.parametrize("path", ["//evil.test/", "/nowhere/", "/%2F%2Fevil.test/"])
def test_nothing_else_is_redirected(client, path):
    answer = client.get(f"http://testserver{path}", follow_redirects=False)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/sprites", "GET, HEAD, POST"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(client, method, path, allow):
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)
    assert answer.json() == {"error": f"{path} does not know {method}, only {allow}: see /docs"}
