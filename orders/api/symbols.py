"""Read symbols in paths: BTC-USD, or BTC/USD with the slash encoded or not.

The law: all spellings mean the same market; a market that is not there is unknown_symbol, whatever its name looks like.
Finding the market is orders/rules.py's.
"""

from django.urls import register_converter

SYMBOL = "<symbol:symbol>"
"""The part of a route that is a symbol."""


class SymbolConverter:
    # Two codes with one separator, or one word that no market is named.
    regex = r"[A-Za-z0-9]+[-/][A-Za-z0-9]+|[^/\x00-\x1f\x7f]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value.replace("/", "-")


register_converter(SymbolConverter, "symbol")
