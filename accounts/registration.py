"""Register traders.

The law: a user comes with one trading account and an address to be confirmed, in one commit; an e-mail address, in lower case, is one
user's. What an address and a password must be like is decided here, for the API, the pages and the back office alike.
How a user proves who they are later is accounts/identity.py's and accounts/sessions.py's.
"""

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import DomainError, FieldError, refusal
from accounts.models import Account, AccountKind, User

PASSWORD_LENGTH_MAX = 1024


def register_trader(*, email: str, password: str) -> tuple[User, Account]:
    """Create a user and their trading account. Raises one DomainError invalid_value that names every fault."""
    user = User(email=email.strip().lower())
    faults = (faults_of_email(user.email) or faults_of_taken(user.email)) + faults_of_password(password, user)
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
    """Open the trading account of a new user, whose address is still to be confirmed."""
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    return Account.objects.create(user=user, kind=AccountKind.TRADER)


def follow_address(user: User) -> None:
    """After an operator has given a user another address: that one is theirs alone, and to be confirmed."""
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=user.email, primary=True)


def forget_wishes(user: User) -> None:
    """Once a password has changed: the link that confirms an address wants no sign-in, and whoever had the old one may have asked for it."""
    EmailAddress.objects.filter(user=user, primary=False, verified=False).delete()


def confirm_address(user: User) -> None:
    """Take a user's address as confirmed, where no mail is needed to know that it is theirs."""
    EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)


def faults_of_email(email: str) -> list[FieldError]:
    """Say what is wrong with an address as such."""
    limit = User._meta.get_field("email").max_length or 0
    try:
        User(email=email).clean_fields(exclude=["password"])
    except ValidationError as error:
        return [
            FieldError("email", "invalid_value", message, limit if len(email) > limit else None, email[:limit])
            for message in error.messages
        ]
    return []


def faults_of_taken(email: str, *, but_for: User | None = None) -> list[FieldError]:
    """Say whether somebody else has the address. One query."""
    owner = User.objects.filter(email=email).first()
    if owner is not None and owner != but_for:
        return [FieldError("email", "invalid_value", "This e-mail address is taken.", None, email)]
    return []


def faults_of_password(password: str, user: User | None) -> list[FieldError]:
    """Say what is wrong with a password, which is never echoed: its faults carry no value."""
    if len(password) > PASSWORD_LENGTH_MAX:
        message = f"A password must have at most {PASSWORD_LENGTH_MAX} characters."
        return [FieldError("password", "invalid_value", message, PASSWORD_LENGTH_MAX)]
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [FieldError("password", "invalid_value", message) for message in error.messages]
    return []
