"""List the pages of accounts. Those for signing in, and below /account/, are allauth's."""

from django.urls import path

from accounts.pages import session

urlpatterns = [
    path("session/token", session.page_token, name="page-token"),
]
