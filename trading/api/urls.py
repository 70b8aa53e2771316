"""List the operations of trading/api, below /api/v1/."""

urlpatterns: list = []
