"""List the operations of accounts/api, below /api/v1/."""

from django.urls import path

from accounts.api import views

urlpatterns = [
    path("auth/register", views.RegisterView.as_view(), name="register"),
    path("auth/token", views.TokenView.as_view(), name="token"),
    path("auth/token/refresh", views.TokenRefreshView.as_view(), name="token-refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("account", views.AccountView.as_view(), name="account"),
    path("balances", views.BalancesView.as_view(), name="balances"),
    path("ledger", views.LedgerView.as_view(), name="ledger"),
]
