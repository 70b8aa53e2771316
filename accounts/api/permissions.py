"""Decide whether a caller may use an operation.

The law: a private operation needs a caller, and of an API key the scope `read` if it is safe, else `trade`, unless its view says
otherwise: by `scopes`, for a method, or by `token_only`, for what a key must never do, such as make keys.
Who calls is accounts/api/authentication.py's. A test lists every private operation with what it needs.
"""

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.callers import Trader
from accounts.models import Scope

if TYPE_CHECKING:
    # The settings name this module, which DRF's views read while they are imported.
    from rest_framework.views import APIView


class HasScope(BasePermission):
    def has_permission(self, request: Request, view: "APIView") -> bool:
        """Tell whether there is a caller. Raises DomainError forbidden for a key that may not."""
        trader = request.user
        if not isinstance(trader, Trader):
            return False
        if getattr(view, "token_only", False):
            trader.require_token()
        else:
            trader.require(scope_needed(view, request.method or ""))
        return True


def scope_needed(view: "APIView", method: str) -> Scope:
    """Tell which scope a method of a view needs."""
    usual = Scope.READ if method in SAFE_METHODS else Scope.TRADE
    needed: Scope = getattr(view, "scopes", {}).get(method, usual)
    return needed
