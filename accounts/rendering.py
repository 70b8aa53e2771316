"""Write what is shown in more places than one: in an answer, and in what an account is told.

The law: one function writes a balance, wherever it is shown.
What only answers show is accounts/api/rendering.py's.
"""

from typing import Any

from accounts.numbers import render
from accounts.selectors import Holding


def render_balance(holding: Holding) -> dict[str, Any]:
    return {
        "asset": holding.asset,
        "available": render(holding.available, holding.scale),
        "held": render(holding.held, holding.scale),
        "total": render(holding.available + holding.held, holding.scale),
    }
