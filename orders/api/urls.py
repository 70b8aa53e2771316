"""List the operations of orders/api, below /api/v1/."""

urlpatterns: list = []
