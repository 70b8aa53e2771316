"""List the pages of accounts. Those for signing in, and below /account/, are allauth's."""

from django.urls import path

from accounts.pages import funding, ledger, session

urlpatterns = [
    path("session/token", session.page_token, name="page-token"),
    path("portfolio/deposits", funding.deposits_page, name="deposits-page"),
    path("portfolio/deposits/<int:deposit_id>/cancel", funding.cancel_deposit, name="cancel-deposit"),
    path("portfolio/withdrawals", funding.withdrawals_page, name="withdrawals-page"),
    path("portfolio/withdrawals/<int:withdrawal_id>/cancel", funding.cancel_withdrawal, name="cancel-withdrawal"),
    path("portfolio/ledger", ledger.ledger_page, name="ledger-page"),
    path("portfolio/ledger.csv", ledger.ledger_csv, name="ledger-csv"),
]
