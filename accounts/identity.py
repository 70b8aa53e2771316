"""Fit allauth, which signs people in on the pages, to this exchange.

The law: what an address and a password must be like, and what a new user comes with, is accounts/registration.py's, whoever asks. A mail
never goes out within a request, and its links lead where settings.PUBLIC_URL says. Clients are told apart as everywhere else
(accounts/addresses.py), and not by what a Host header says. A second factor's codes are accounts/second_factor.py's.
Which of allauth's features are on is in the settings. Sessions of the API are accounts/sessions.py's.
"""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from allauth.account import forms as allauth_forms
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.email_verification import send_verification_email_to_address
from allauth.account.models import EmailAddress
from allauth.account.signals import password_changed, password_reset, password_set, user_logged_in
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm as AllauthAuthenticateForm
from allauth.mfa.base.forms import BaseAuthenticateForm
from allauth.mfa.base.forms import ReauthenticateForm as AllauthReauthenticateForm
from allauth.mfa.signals import authenticator_added, authenticator_removed
from allauth.mfa.totp.forms import ActivateTOTPForm as AllauthActivateTOTPForm
from allauth.usersessions.internal.flows import sessions
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from accounts import limits
from accounts.addresses import address_of_request
from accounts.errors import DomainError, FieldError, RateLimited
from accounts.mail import NAME, after_commit, pages_url
from accounts.models import ApiKey, User
from accounts.places import note_sign_in
from accounts.registration import faults_of_email, faults_of_password, faults_of_taken, forget_wishes, register_trader
from accounts.second_factor import accept_code
from accounts.tasks import send_mail

UNKNOWN_ADDRESS = "::"
"""Stands for clients whose address cannot be told; they share their limits."""


class AccountAdapter(DefaultAccountAdapter):
    def clean_email(self, email: str) -> str:
        _raise_faults(faults_of_email(email))
        return email

    def clean_password(self, password: str, user: Any = None) -> str:
        _raise_faults(faults_of_password(password, user))
        return password

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address, unless another user has got it since it was asked for."""
        if faults_of_taken(email_address.email, but_for=email_address.user):
            template = "account/messages/email_confirmation_failed.txt"
            self.add_message(request, messages.ERROR, template, {"email": email_address.email})
            return False
        return bool(super().confirm_email(request, email_address))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        facts = {**context, "email": email, "site_name": NAME}
        for name, value in context.items():
            if name.endswith("_url"):
                facts[name] = self._public(value)
        subject = " ".join(render_to_string(f"{template_prefix}_subject.txt", facts).split())
        text = render_to_string(f"{template_prefix}_message.txt", facts).strip()
        after_commit(send_mail, to=email, subject=f"{NAME}: {subject}", text=f"{text}\n")

    def get_client_ip(self, request: HttpRequest) -> str:
        return str(address_of_request(request.META) or UNKNOWN_ADDRESS)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Name what sign-ins are counted by. (allauth's own has the Host header in it, which anybody may vary.)"""
        return limits.key_of(str(credentials.get("email", "")))

    def _public(self, url: str) -> str:
        """Have a link lead to the pages; allauth makes it absolute by the request's host."""
        _, _, path, query, fragment = urlsplit(url)
        return pages_url(self.request, urlunsplit(("", "", path, query, fragment)))


class MFAAdapter(DefaultMFAAdapter):
    def _get_site_name(self) -> str:
        return NAME


class _PlainMixin(forms.BaseForm):
    """Say what a field is once, beside it; and call an e-mail address so."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            if name in ("login", "email"):
                field.label = "E-mail"


class LoginForm(_PlainMixin, allauth_forms.LoginForm):
    pass


class ResetPasswordForm(_PlainMixin, allauth_forms.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(_PlainMixin, allauth_forms.ResetPasswordKeyForm):
    pass


class ChangePasswordForm(_PlainMixin, allauth_forms.ChangePasswordForm):
    pass


class ConfirmPasswordForm(_PlainMixin, allauth_forms.ReauthenticateForm):
    pass


class AddEmailForm(_PlainMixin, allauth_forms.AddEmailForm):
    def save(self, request: HttpRequest) -> EmailAddress:
        """Write down the address that is wished for, in place of an earlier wish.

        (allauth takes any address that is not confirmed for a wish, also the one that the user signs in with, and leaves them without.)
        """
        user = self.user
        with transaction.atomic():
            EmailAddress.objects.filter(user=user, primary=False).delete()
            wished = EmailAddress.objects.create(user=user, email=self.cleaned_data["email"])
        send_verification_email_to_address(request, wished)
        return wished


class ActivateTOTPForm(_PlainMixin, AllauthActivateTOTPForm):
    pass


class SignupForm(_PlainMixin, allauth_forms.SignupForm):
    def validate_unique_email(self, value: str) -> str:
        _raise_faults(faults_of_taken(value))
        return value

    def save(self, request: HttpRequest) -> User:
        try:
            user, _ = register_trader(email=self.cleaned_data["email"], password=self.cleaned_data["password1"])
        except DomainError as error:
            # Another registration took the address since the form was checked.
            messages.error(request, error.detail)
            raise ImmediateHttpResponse(HttpResponseRedirect(reverse("account_signup"))) from error
        return user


class _CodeMixin(_PlainMixin, BaseAuthenticateForm):
    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        request = context.request
        try:
            attempt = limits.begin_attempt(request, self.user.email)
        except RateLimited as error:
            raise ValidationError(error.detail) from error
        method = accept_code(self.user, code)
        if method is None:
            raise ValidationError("Incorrect code, or one that has been used.")
        attempt.rollback()
        method.user = self.user
        self.authenticator = method
        return code


class AuthenticateForm(_CodeMixin, AllauthAuthenticateForm):
    pass


class ReauthenticateForm(_CodeMixin, AllauthReauthenticateForm):
    pass


def ask_to_confirm(request: HttpRequest, user: User) -> None:
    """Send a new user the mail that confirms their address."""
    EmailAddress.objects.get_for_user(user, user.email).send_confirmation(request, signup=True)


def _raise_faults(faults: list[FieldError]) -> None:
    if faults:
        raise ValidationError([fault.message for fault in faults])


@receiver(user_logged_in)
def _note_sign_in(request: HttpRequest, user: User, **_: object) -> None:
    note_sign_in(request, user)


@receiver([authenticator_added, authenticator_removed])
def _end_other_sessions(request: HttpRequest, user: User, **_: object) -> None:
    """Whoever was signed in before two-factor was turned on, or off, signs in again. (Refresh tokens: accounts/sessions.py.)"""
    sessions.end_other_sessions(request, user)


@receiver([password_changed, password_reset, password_set])
def _forget_what_was_wished(user: User, **_: object) -> None:
    forget_wishes(user)


@receiver(password_reset)
def _forget_a_squatter(user: User, **_: object) -> None:
    """Who resets a password has the mailbox. If it was never confirmed, somebody else may have registered it, and made keys."""
    if not EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists():
        ApiKey.objects.filter(account__user=user).delete()
