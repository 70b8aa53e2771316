"""List the pages of accounts. Those for signing in, and the rest below /account/, are allauth's."""

from django.urls import path

from accounts.pages import account, funding, keys, ledger, notifications, session

urlpatterns = [
    path("session/token", session.page_token, name="page-token"),
    path("account", account.account_page, name="account-page"),
    path("account/api-keys", keys.keys_page, name="api-keys-page"),
    path("account/api-keys/new", keys.new_key_page, name="new-api-key-page"),
    path("account/api-keys/<int:key_id>/revoke", keys.revoke_key_page, name="revoke-api-key-page"),
    path("account/notifications", notifications.notifications_page, name="notifications-page"),
    path("portfolio/deposits", funding.deposits_page, name="deposits-page"),
    path("portfolio/deposits/<int:deposit_id>/cancel", funding.cancel_deposit, name="cancel-deposit"),
    path("portfolio/withdrawals", funding.withdrawals_page, name="withdrawals-page"),
    path("portfolio/withdrawals/<int:withdrawal_id>/cancel", funding.cancel_withdrawal, name="cancel-withdrawal"),
    path("portfolio/ledger", ledger.ledger_page, name="ledger-page"),
    path("portfolio/ledger.csv", ledger.ledger_csv, name="ledger-csv"),
]
