"""Let operators change phases and throw kill switches in the back office.

The law: what ends orders, or opens a market past its call, is asked about first, on a page that says what will happen, and
needs a reason; every action is logged with whoever did it, and needs a permission.
What the switches do is orders/switches.py, what a phase is asked by orders/changes.py.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from accounts.admin import UserAdmin
from accounts.asking import ask_first
from accounts.errors import DomainError
from accounts.models import User
from orders.changes import ask_phase
from orders.models import OPEN, Market, Order
from orders.switches import Killed, kill_markets, kill_user, lift_user
from orders.terms import Phase

BACK_OFFICE = "back office"
USERS_AT_ONCE_MAX = 20
"""Each waits for matching, and a request may not take for ever."""


def _throw(
    model_admin: ModelAdmin, request: HttpRequest, rows: Sequence[Model], throw: Callable[[], Killed], reason: str
) -> None:
    """Throw a kill switch; log and say what came of it."""
    names = ", ".join(str(row) for row in rows)
    try:
        killed = throw()
    except DomainError as error:
        outcome, level = error.detail, messages.ERROR
    else:
        outcome, level = f"{killed.canceled} orders canceled in {killed.seconds:.3f} s.", messages.SUCCESS
    for row in rows:
        model_admin.log_change(request, row, f"Threw the kill switch ({reason}): {outcome}")
    model_admin.message_user(request, f"{names}: {outcome}", level)


class PhasesAndKillSwitch(ModelAdmin):
    """What operators do with markets."""

    actions: Sequence[Any] = (
        "halt",
        "cancel_only",
        "post_only",
        "start_auction",
        "resume",
        "resume_directly",
        "pre_open",
        "close",
        "kill",
    )

    @admin.action(description="Halt: no orders, no matching", permissions=["change"])
    def halt(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.HALTED)

    @admin.action(description="Cancel only: no new orders", permissions=["change"])
    def cancel_only(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.CANCEL_ONLY)

    @admin.action(description="Post only: no matching", permissions=["change"])
    def post_only(self, request: HttpRequest, queryset: QuerySet[Market]) -> HttpResponse | None:
        effect = (
            "These markets take post-only orders, and match nothing. A call ends at once, at whatever price it has: its market and "
            "auction-only orders end, what is left of the others stays."
        )
        return self._ask_phase_first(request, queryset, Phase.POST_ONLY, effect, "Post only")

    @admin.action(description="Start an auction: collect orders", permissions=["change"])
    def start_auction(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.AUCTION)

    @admin.action(description="Resume continuous trading, through an auction", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.CONTINUOUS)

    @admin.action(description="Resume continuous trading directly", permissions=["change"])
    def resume_directly(self, request: HttpRequest, queryset: QuerySet[Market]) -> HttpResponse | None:
        effect = "These markets go on at once, without an auction; whatever crosses by then trades at one price."
        return self._ask_phase_first(request, queryset, Phase.CONTINUOUS, effect, "Resume directly", direct=True)

    @admin.action(description="Pre-open: collect orders until the opening", permissions=["change"])
    def pre_open(self, request: HttpRequest, queryset: QuerySet[Market]) -> None:
        self._ask_phase(request, queryset, Phase.PRE_OPEN)

    @admin.action(description="Close: no orders, and day orders end", permissions=["change"])
    def close(self, request: HttpRequest, queryset: QuerySet[Market]) -> HttpResponse | None:
        effect = "These markets take no orders and match nothing; every DAY order in them ends."
        return self._ask_phase_first(request, queryset, Phase.CLOSED, effect, "Close")

    @admin.action(description="Kill switch: cancel all orders, take no new ones", permissions=["change"])
    def kill(self, request: HttpRequest, queryset: QuerySet[Market]) -> HttpResponse | None:
        markets = list(queryset.order_by("symbol"))

        def do(reason: str) -> None:
            throw = partial(kill_markets, markets, by=request.user.get_username(), reason=reason)
            _throw(self, request, markets, throw, reason)

        what = "All markets" if len(markets) == Market.objects.count() else "These markets"
        open_now = Order.objects.filter(OPEN, market__in=markets).count()
        effect = (
            f"{what} become CancelOnly, and every order in them is canceled ({open_now} are open now). "
            "They stay so until their phase is changed."
        )
        return ask_first(self, request, markets, action="kill", effect=effect, button="Throw the kill switch", do=do)

    def _ask_phase_first(
        self,
        request: HttpRequest,
        queryset: QuerySet[Market],
        phase: Phase,
        effect: str,
        button: str,
        *,
        direct: bool = False,
    ) -> HttpResponse | None:
        def do(reason: str) -> None:
            self._ask_phase(request, queryset, phase, reason=reason, direct=direct)

        markets, action = list(queryset.order_by("symbol")), button.lower().replace(" ", "_")
        return ask_first(self, request, markets, action=action, effect=effect, button=button, do=do)

    def _ask_phase(
        self,
        request: HttpRequest,
        queryset: QuerySet[Market],
        phase: Phase,
        *,
        reason: str = BACK_OFFICE,
        direct: bool = False,
    ) -> None:
        markets = list(queryset.order_by("symbol"))
        for market in markets:
            command_id = ask_phase(market, phase, reason=reason, by=request.user.get_username(), direct=direct)
            how = (" directly" if direct else "") + ("" if reason == BACK_OFFICE else f" ({reason})")
            self.log_change(request, market, f"Asked for phase {phase}{how}, command {command_id}.")
        symbols = ", ".join(market.symbol for market in markets)
        self.message_user(request, f"Asked for phase {phase}: {symbols}. It takes effect once matching has taken it.")


class TraderAdmin(UserAdmin):
    """Look after those who sign in; here with the switch that ends all they have asked for."""

    actions = ("kill", "lift")

    def has_kill_permission(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request) and request.user.has_perm("accounts.change_account")

    @admin.action(description="Kill switch: cancel all orders, freeze the accounts", permissions=["kill"])
    def kill(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        users = self._users(request, queryset)

        def do(reason: str) -> None:
            for user in users:
                throw = partial(kill_user, user, by=request.user.get_username(), reason=reason)
                _throw(self, request, [user], throw, reason)

        if not users:
            return None
        open_now = Order.objects.filter(OPEN, account__user__in=users).count()
        effect = (
            f"These users' accounts are frozen, and all their orders are canceled ({open_now} are open now). "
            "They stay so until the switch is lifted."
        )
        return ask_first(self, request, users, action="kill", effect=effect, button="Throw the kill switch", do=do)

    @admin.action(description="Lift the kill switch: the accounts are active again", permissions=["kill"])
    def lift(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        users = self._users(request, queryset)
        for user in users:
            lift_user(user, by=request.user.get_username())
            self.log_change(request, user, "Lifted the kill switch.")
        if users:
            self.message_user(request, f"May trade again: {', '.join(str(user) for user in users)}.")

    def _users(self, request: HttpRequest, queryset: QuerySet[User]) -> list[User]:
        """Return those selected, none where they are too many, or one of them is beyond the operator."""
        users = list(queryset.order_by("email")[: USERS_AT_ONCE_MAX + 1])
        refused = None
        if len(users) > USERS_AT_ONCE_MAX:
            refused = f"At most {USERS_AT_ONCE_MAX} users at once."
        elif beyond := [str(user) for user in users if not self.has_change_permission(request, user)]:
            refused = f"Only a superuser may touch {', '.join(beyond)}."
        if refused:
            self.message_user(request, refused, messages.ERROR)
            return []
        return users
