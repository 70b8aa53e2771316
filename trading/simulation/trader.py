"""Ask the venue, as one trader.

The law: a token is renewed, or had anew, where the venue says that it is good no longer; what the venue refuses is Refused and had no effect; anything
without an answer that says so is Away, with its outcome unknown.
"""

from typing import Any

import httpx

ANSWER_SECONDS_MAX = 5.0


class Refused(Exception):
    """The venue has refused a request; by its code."""

    def __init__(self, code: str, detail: str, seconds: float | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.retry_after = seconds


class Away(Exception):
    """There was no answer, or none that says what happened."""


class Trader:
    """One who has signed in, or will with the first request that needs it."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self.email = email
        self._password = password
        self._http = httpx.Client(base_url=url, timeout=ANSWER_SECONDS_MAX)
        self._access = ""
        self._refresh = ""

    def close(self) -> None:
        self._http.close()

    def public(self, path: str, **query: Any) -> Any:
        """Read what anybody may."""
        return self._send("GET", path, params=query)

    def ask(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """Ask for something of one's own. Raises Refused and Away."""
        for renew in (self._renew, self._sign_in):
            if not self._access:
                self._sign_in()
            try:
                return self._send(method, path, json=body, params=query, token=self._access)
            except Refused as refusal:
                if refusal.code != "unauthenticated":
                    raise
                renew()
        return self._send(method, path, json=body, params=query, token=self._access)

    def _renew(self) -> None:
        try:
            self._keep(self._send("POST", "/auth/token/refresh", json={"refresh": self._refresh}))
        except Refused:
            self._sign_in()

    def _sign_in(self) -> None:
        self._keep(self._send("POST", "/auth/token", json={"email": self.email, "password": self._password}))

    def _keep(self, tokens: dict[str, str]) -> None:
        self._access, self._refresh = tokens["access"], tokens["refresh"]

    def _send(self, method: str, path: str, *, token: str = "", **content: Any) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = self._http.request(method, path, headers=headers, **content)
        except httpx.TransportError as error:
            raise Away(str(error) or type(error).__name__) from error
        if answer.is_server_error:
            raise Away(f"the venue answered {answer.status_code}")
        try:
            body = answer.json() if answer.content else None
        except ValueError as error:
            raise Away(f"{method} {path} was answered with no JSON") from error
        if answer.is_error:
            raise _refusal(answer, body)
        return body


def _refusal(answer: httpx.Response, body: Any) -> Refused:
    problem = body if isinstance(body, dict) else {}
    seconds = answer.headers.get("Retry-After", "")
    return Refused(
        problem.get("code", str(answer.status_code)),
        problem.get("detail", answer.reason_phrase),
        float(seconds) if seconds.isdigit() else None,
    )
