"""Register traders, and be refused."""

from threading import Barrier, Thread

import pytest
from django.db import connection

from accounts.errors import DomainError
from accounts.models import Account, User
from accounts.registration import PASSWORD_LENGTH_MAX, register_trader
from accounts.tests.builders import make_user


@pytest.mark.django_db
def test_a_trader_comes_with_an_account() -> None:
    user, account = register_trader(email=" Alice@Example.com ", password="correct-horse")
    assert (user.email, user.is_staff, user.is_superuser) == ("alice@example.com", False, False)
    assert user.check_password("correct-horse")
    assert (account.user, account.kind, account.status) == (user, "trader", "active")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("email", "password", "fields"),
    [
        ("", "correct-horse", ["email"]),
        ("alice", "correct-horse", ["email"]),
        ("a\x00lice@example.com", "correct-horse", ["email"]),
        ("a" * 250 + "@example.com", "correct-horse", ["email"]),
        ("TAKEN@example.com", "correct-horse", ["email"]),
        ("alice@example.com", "", ["password"]),
        ("alice@example.com", "12345", ["password"] * 3),
        ("alice@example.com", "alice@example.com", ["password"]),
        ("alice@example.com", "x" * (PASSWORD_LENGTH_MAX + 1), ["password"]),
        ("alice", "short", ["email", "password"]),
    ],
)
def test_every_fault_is_named(email: str, password: str, fields: list[str]) -> None:
    make_user(email="taken@example.com")
    with pytest.raises(DomainError) as refused:
        register_trader(email=email, password=password)
    assert refused.value.code == "invalid_value"
    assert [fault.field for fault in refused.value.errors] == fields
    assert all(fault.value is None for fault in refused.value.errors if fault.field == "password")
    assert (User.objects.count(), Account.objects.count()) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_gets_the_address() -> None:
    barrier, outcomes = Barrier(2), []

    def register() -> None:
        barrier.wait()
        try:
            register_trader(email="alice@example.com", password="correct-horse")
        except DomainError as error:
            outcomes.append(error.errors[0].field)
        else:
            outcomes.append("registered")
        finally:
            connection.close()

    threads = [Thread(target=register) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["email", "registered"]
    assert Account.objects.get().user == User.objects.get()
