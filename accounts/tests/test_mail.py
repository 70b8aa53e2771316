"""Hand mails to workers: what is shown of them, and a broker that says nothing."""

import socket
import time

import pytest
from celery.app.task import Context
from kombu import Connection

from accounts import mail
from accounts.mail import after_commit
from accounts.tasks import send_mail, send_notice
from exchange.celery import app

LETTER = {"to": "ada@example.com", "subject": "Reset", "text": "https://exchange.example/secret"}


NOTICE = {"user_id": 1, "kind": "withdrawal", "facts": {"destination": "IBAN 1"}}


@pytest.mark.parametrize(("task", "said"), [(send_mail, LETTER), (send_notice, NOTICE)])
def test_what_a_mail_says_is_not_shown_when_it_is_tried_again_either(task, said):
    with Connection("memory://") as broker:
        request = Context(id="1", retries=1, args=[], kwargs=said, delivery_info={})
        task.signature_from_request(request, queue="letters").apply_async(connection=broker)
        with broker.SimpleQueue("letters") as queue:
            message = queue.get(timeout=5)
            message.ack()
    assert message.headers["kwargsrepr"] == "(not shown)"
    assert message.payload[1] == said


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_takes_connections_and_says_nothing_keeps_nobody_waiting(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(app.conf, "broker_write_url", f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        monkeypatch.setattr(mail, "_away_until", 0.0)
        begun = time.monotonic()
        after_commit(send_mail, **LETTER)
        tried = time.monotonic()
        for _ in range(20):
            after_commit(send_mail, **LETTER)
        assert tried - begun < 15
        assert time.monotonic() - tried < 1
