"""List the pages, for whatever goes over all of them."""

PUBLIC = (
    "/",
    "/trade/BTC-USD",
    "/fees",
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/nowhere",
)
PRIVATE = (
    "/",
    "/trade/BTC-USD",
    "/orders",
    "/orders/fills",
    "/orders/preventions",
    "/portfolio",
    "/portfolio/ledger",
    "/portfolio/deposits",
    "/portfolio/withdrawals",
    "/fees",
    "/account",
    "/account/email/",
    "/account/2fa/",
    "/account/2fa/totp/activate/",
    "/account/sessions/",
    "/account/password/change/",
    "/account/api-keys",
    "/account/api-keys/new",
    "/account/notifications",
)
"""Of who is signed in, and has just given the password again."""
EXPECTED_COMPLAINTS = (r"/nowhere: Failed to load resource",)
