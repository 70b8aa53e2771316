"""Tell whether a user has shown that their e-mail address is theirs."""

from allauth.account.models import EmailAddress


def has_confirmed_email(user_id: int) -> bool:
    """Tell whether the address that the user signs in with is confirmed. One query."""
    return EmailAddress.objects.filter(user_id=user_id, primary=True, verified=True).exists()
