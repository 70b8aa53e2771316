"""Register traders.

The law: a user comes with one trading account, in one commit; an e-mail address, in lower case, is one user's.
How a user proves who they are later is the API's (accounts/api) and Django's.
"""

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import DomainError, FieldError, refusal
from accounts.models import Account, AccountKind, User

PASSWORD_LENGTH_MAX = 1024


def register_trader(*, email: str, password: str) -> tuple[User, Account]:
    """Create a user and their trading account. Raises one DomainError invalid_value that names every fault."""
    user = User(email=email.strip().lower())
    faults = _faults_of_email(user) + _faults_of_password(user, password)
    if faults:
        raise DomainError("invalid_value", faults[0].message, faults)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            account = open_account(user)
    except IntegrityError:
        # Another registration took the address between the check and the insert.
        raise refusal("invalid_value", "email", "This e-mail address is taken.", value=user.email) from None
    return user, account


def open_account(user: User) -> Account:
    """Open the trading account of a new user."""
    return Account.objects.create(user=user, kind=AccountKind.TRADER)


def _faults_of_email(user: User) -> list[FieldError]:
    limit = User._meta.get_field("email").max_length or 0
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        return [
            FieldError(
                "email", "invalid_value", message, limit if len(user.email) > limit else None, user.email[:limit]
            )
            for message in error.messages
        ]
    if User.objects.filter(email=user.email).exists():
        return [FieldError("email", "invalid_value", "This e-mail address is taken.", None, user.email)]
    return []


def _faults_of_password(user: User, password: str) -> list[FieldError]:
    """A password is never echoed: its faults carry no value."""
    if len(password) > PASSWORD_LENGTH_MAX:
        message = f"A password must have at most {PASSWORD_LENGTH_MAX} characters."
        return [FieldError("password", "invalid_value", message, PASSWORD_LENGTH_MAX)]
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [FieldError("password", "invalid_value", message) for message in error.messages]
    return []
