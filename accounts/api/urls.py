"""List the operations of accounts/api, below /api/v1/."""

from django.urls import path

from accounts.api import funding, keys, views

urlpatterns = [
    path("auth/register", views.RegisterView.as_view(), name="register"),
    path("auth/token", views.TokenView.as_view(), name="token"),
    path("auth/token/refresh", views.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("auth/keys", keys.ApiKeysView.as_view(), name="api-keys"),
    path("auth/keys/<int:key_id>", keys.ApiKeyView.as_view(), name="api-key"),
    path("account", views.AccountView.as_view(), name="account"),
    path("balances", views.BalancesView.as_view(), name="balances"),
    path("ledger", views.LedgerView.as_view(), name="ledger"),
    path("deposits", funding.DepositsView.as_view(), name="deposits"),
    path("deposits/<int:deposit_id>", funding.DepositView.as_view(), name="deposit"),
    path("withdrawals", funding.WithdrawalsView.as_view(), name="withdrawals"),
    path("withdrawals/<int:withdrawal_id>", funding.WithdrawalView.as_view(), name="withdrawal"),
]
