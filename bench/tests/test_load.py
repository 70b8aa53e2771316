"""The load looks at every answer, sends whole rounds where it should, and does not wait forever."""

import json
import socketserver
import threading
from collections.abc import Iterator

import pytest

from bench.load import Connection, LoadError, Plan, request_bytes, run_load


class Handler(socketserver.StreamRequestHandler):
    """Answers each request with the status and the body that its own body asks for, in two pieces."""

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline().strip().lower()) != b"":
                if header.startswith(b"content-length:"):
                    length = int(header.split(b":")[1])
            assert line.startswith(b"POST /api/v1/echo ")
            wanted = json.loads(self.rfile.read(length))
            if wanted is None:
                return
            body = wanted["body"].encode()
            self.wfile.write(b"HTTP/1.1 %d OK\r\nContent-Length: %d\r\n" % (wanted["status"], len(body)))
            self.wfile.flush()
            self.wfile.write(b"\r\n" + body)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture
def port() -> Iterator[int]:
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def echo(status: int = 200, body: str = "{}") -> bytes:
    return request_bytes("POST", "/echo", body={"status": status, "body": body})


def test_answers_are_counted_and_timed(port: int) -> None:
    outcome = run_load(Plan(port, [[echo(), echo(201)]] * 3, seconds=0.2))
    assert outcome.answers == len(outcome.latencies) > 3
    assert outcome.per_second == outcome.answers / outcome.seconds
    assert outcome.seconds >= 0.2
    assert not outcome.errors
    assert all(latency > 0 for latency in outcome.latencies)


def test_what_is_not_2xx_is_an_error_with_its_body(port: int) -> None:
    outcome = run_load(Plan(port, [[echo(503, "away")]], seconds=0))
    assert outcome.errors == {"503 away": 1}


def test_refusals_within_a_batch_are_errors(port: int) -> None:
    body = '{"results":[{"error":{"code":"x"}},{"order":{}},{"error":{"code":"y"}}]}'
    assert run_load(Plan(port, [[echo(200, body)]], seconds=0)).errors == {"refused within a batch": 2}


def test_rounds_are_sent_whole_where_asked(port: int) -> None:
    requests = [[echo()] * 4] * 2
    assert run_load(Plan(port, requests, seconds=0)).answers == 2
    assert run_load(Plan(port, requests, seconds=0, whole_rounds=True)).answers == 8
    assert run_load(Plan(port, requests, seconds=0.1, whole_rounds=True)).answers % 4 == 0


def test_server_that_hangs_up_ends_it(port: int) -> None:
    with pytest.raises(LoadError, match="hung up"):
        run_load(
            Plan(
                port,
                [
                    [
                        request_bytes("POST", "/echo", body=None).replace(b"Content-Length: 0", b"Content-Length: 4")
                        + b"null"
                    ]
                ],
                seconds=1,
            )
        )


def test_connection_reads_json_or_says_why_not(port: int) -> None:
    with Connection(port) as connection:
        assert connection.ask("POST", "/echo", body={"status": 200, "body": '{"a": 1}'}) == {"a": 1}
        with pytest.raises(LoadError, match="404: nothing here"):
            connection.ask("POST", "/echo", body={"status": 404, "body": "nothing here"})
