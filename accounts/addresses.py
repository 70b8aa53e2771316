"""Tell from which address a client calls, and whether a list of networks has it.

The law: X-Forwarded-For is believed as far as the proxies that wrote it are trusted (settings.TRUSTED_PROXIES): the client is the
right-most address that is not one of theirs, and whatever stands to the left of it, anybody may have written. An address
that cannot be told is None, which no list has. An IPv4 address in IPv6 clothing is the IPv4 address.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

from accounts.errors import DomainError, FieldError
from accounts.models import ALLOWED_IPS_MAX

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")


def address_of_request(meta: Mapping[str, Any]) -> Address | None:
    """Tell the client's address from a request's META, be it of WSGI or of ASGI."""
    return _client(meta.get("REMOTE_ADDR"), meta.get("HTTP_X_FORWARDED_FOR", ""))


def address_of_scope(scope: Mapping[str, Any]) -> Address | None:
    """Tell the client's address from an ASGI scope, e.g. of a WebSocket."""
    lines = [value.decode("latin-1") for name, value in scope.get("headers", ()) if name.lower() == b"x-forwarded-for"]
    client = scope.get("client")
    return _client(client[0] if client else None, ",".join(lines))


def is_allowed(address: Address | None, networks: Sequence[str]) -> bool:
    """Tell whether one of the networks has the address; with none at all, any address will do."""
    return not networks or (address is not None and _has(parse_networks(networks), address))


def read_networks(field: str, value: Any) -> list[str]:
    """Read a list of addresses and networks, each written in one way afterwards. Raises DomainError invalid_value."""
    if not isinstance(value, list) or len(value) > ALLOWED_IPS_MAX:
        message = f"{field} must be a list of at most {ALLOWED_IPS_MAX} addresses and networks."
        got = len(value) if isinstance(value, list) else str(value)[:64]
        raise DomainError("invalid_value", message, [FieldError(field, "invalid_value", message, ALLOWED_IPS_MAX, got)])
    networks: dict[str, None] = {}
    for text in value:
        try:
            networks[_write(_parse_network(text))] = None
        except ValueError as error:
            message = f"{field} has an address or network that cannot be read: {error}."
            raise DomainError(
                "invalid_value", message, [FieldError(field, "invalid_value", message, value=str(text)[:64])]
            ) from None
    return list(networks)


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks that were checked before. Raises ValueError."""
    return _parse_networks(tuple(texts))


@lru_cache(maxsize=1024)
def _parse_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(_parse_network(text.strip()) for text in texts)


def _client(remote: str | None, forwarded: str) -> Address | None:
    trusted = parse_networks(settings.TRUSTED_PROXIES)
    address = _parse_address(remote or "")
    hops = [hop for hop in forwarded.split(",") if hop.strip()] if trusted else []
    while hops and address is not None and _has(trusted, address):
        address = _parse_address(hops.pop())
    return address


def _has(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def _parse_address(text: str) -> Address | None:
    """Parse an address as proxies write it, with or without a port; None for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _parse_network(text: Any) -> Network:
    if not isinstance(text, str):
        raise ValueError(f"{str(text)[:64]!r} is no text")
    _, slash, bits = text.partition("/")
    if "%" in text or (slash and not (bits.isascii() and bits.isdigit())):
        raise ValueError(f"{text[:64]!r} is neither an address nor in CIDR notation")
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        assert mapped is not None
        return IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


def _write(network: Network) -> str:
    is_address = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_address else network)
