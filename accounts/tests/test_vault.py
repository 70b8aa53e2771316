"""Secrets at rest: what a dump of the database is worth, and how what seals them is replaced."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts import vault
from accounts.issuing import issue_key
from accounts.models import ApiKey, ApiKeyKind, Scope
from accounts.tests.builders import make_trader
from accounts.tests.signing import call

pytestmark = pytest.mark.django_db


@pytest.fixture
def key():
    return issue_key(account_id=make_trader().id, name="bot", scopes=[Scope.READ])


def status(key):
    return call(key, "GET", "/api/v1/balances").status_code


def test_what_was_sealed_opens():
    assert vault.unseal(vault.seal(b"secret")) == b"secret"
    assert vault.seal(b"secret") != vault.seal(b"secret")


def test_what_was_altered_does_not_open():
    sealed = bytearray(vault.seal(b"secret"))
    sealed[40] ^= 1
    with pytest.raises(vault.Unopenable):
        vault.unseal(bytes(sealed))


@pytest.mark.parametrize("kind", ApiKeyKind)
def test_a_dump_of_the_database_has_no_secret(kind):
    issued = issue_key(account_id=make_trader().id, name="bot", scopes=[Scope.READ], kind=kind)
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_keys::text, encode(sealed_secret, 'escape') FROM api_keys")
        dump = str(cursor.fetchall())
    assert issued.row.key in dump
    assert issued.secret not in dump
    assert issued.secret.encode().hex() not in dump


def test_a_dump_under_another_secret_signs_nothing(key, settings):
    assert status(key) == 200
    settings.API_KEY_SECRET = ["of another venue"]
    assert status(key) == 401
    with pytest.raises(vault.Unopenable):
        vault.unseal(bytes(ApiKey.objects.get().sealed_secret))


def test_a_new_secret_takes_over_while_keys_go_on_working(key, settings):
    old = list(settings.API_KEY_SECRET)
    settings.API_KEY_SECRET = ["new", *old]
    assert status(key) == 200
    later = issue_key(account_id=key.row.account_id, name="later", scopes=[Scope.READ])
    call_command("reseal_api_keys")
    settings.API_KEY_SECRET = ["new"]
    assert (status(key), status(later)) == (200, 200)
    settings.API_KEY_SECRET = old
    assert (status(key), status(later)) == (401, 401)


def test_what_cannot_be_sealed_anew_is_named_and_left(key, settings):
    before = bytes(ApiKey.objects.get().sealed_secret)
    settings.API_KEY_SECRET = ["of another venue"]
    with pytest.raises(CommandError, match=f"keys {key.row.id}"):
        call_command("reseal_api_keys")
    assert bytes(ApiKey.objects.get().sealed_secret) == before


def test_ed25519_needs_no_vault(settings):
    issued = issue_key(account_id=make_trader().id, name="bot", scopes=[Scope.READ], kind=ApiKeyKind.ED25519)
    settings.API_KEY_SECRET = ["of another venue"]
    call_command("reseal_api_keys")
    assert status(issued) == 200
