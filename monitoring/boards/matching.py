"""How orders become trades, market by market."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import Limits, Query, board, choice, lines


def matching() -> Dashboard:
    return board(
        "exchange-matching",
        "Exchange: Matching and order book",
        "How orders become trades, market by market.",
        {
            "Matching": [
                lines(
                    "Commands that wait",
                    "By shard.",
                    Query("max by (shard) (exchange_pending_commands)", "shard {{shard}}"),
                ),
                lines(
                    "Behind by",
                    "Age of the oldest of them.",
                    Query("max by (shard) (exchange_matching_lag_seconds)", "shard {{shard}}"),
                    unit="s",
                    limits=Limits(5, 60),
                ),
                lines(
                    "Commands taken",
                    "By kind, a second; new ones are orders.",
                    Query(
                        'sum by (kind) (rate(exchange_commands_total{symbol=~"$symbol"}[$__rate_interval]))', "{{kind}}"
                    ),
                    unit="ops",
                    is_stacked=True,
                ),
                lines(
                    "Time of an order",
                    "From acceptance to settlement: half, 95 and 99 of 100.",
                    *(
                        Query(
                            f'histogram_quantile({share}, sum by (le) (rate(exchange_order_processing_seconds_bucket{{symbol=~"$symbol"}}[$__rate_interval])))',
                            f"{share}",
                        )
                        for share in (0.5, 0.95, 0.99)
                    ),
                    unit="s",
                    limits=Limits(0.5, 1),
                ),
                lines(
                    "Commands a commit",
                    "Average; at most 500. The more wait, the more one commit takes.",
                    Query(
                        "sum(rate(exchange_batch_size_sum[$__rate_interval])) / sum(rate(exchange_batch_size_count[$__rate_interval]))",
                        "commands",
                    ),
                ),
                lines(
                    "Time of a commit",
                    "95 of 100 commits: in the engine alone, and as a whole. The difference is the database's.",
                    Query(
                        "histogram_quantile(0.95, sum by (le) (rate(exchange_batch_engine_seconds_bucket[$__rate_interval])))",
                        "engine",
                    ),
                    Query(
                        "histogram_quantile(0.95, sum by (le) (rate(exchange_batch_seconds_bucket[$__rate_interval])))",
                        "whole",
                    ),
                    unit="s",
                ),
                lines(
                    "Books made anew",
                    "From the database: at a start, and when rules have changed.",
                    Query(
                        'sum by (symbol) (increase(exchange_book_rebuilds_total{symbol=~"$symbol"}[$__rate_interval]))',
                        "{{symbol}}",
                    ),
                ),
                lines(
                    "Failures",
                    "Commands that failed, and waits for the database.",
                    Query(
                        "sum by (symbol) (increase(exchange_commands_failed_total[$__rate_interval]))",
                        "{{symbol}} failed",
                    ),
                    Query("sum(increase(exchange_matching_retries_total[$__rate_interval]))", "waits"),
                ),
            ],
            "Order book": [
                lines(
                    "Last price",
                    "Of each market, in its quote.",
                    Query('max by (symbol) (exchange_last_price{symbol=~"$symbol"})', "{{symbol}}"),
                ),
                lines(
                    "Best prices",
                    "Bid and ask, in quote.",
                    Query('max by (symbol, side) (exchange_best_price{symbol=~"$symbol"})', "{{symbol}} {{side}}"),
                ),
                lines(
                    "Spread",
                    "Of the middle between bid and ask.",
                    Query(
                        'max by (symbol) (exchange_spread{symbol=~"$symbol"}) / (max by (symbol) (exchange_best_price{symbol=~"$symbol", side="Buy"}) + max by (symbol) (exchange_best_price{symbol=~"$symbol", side="Sell"})) * 2',
                        "{{symbol}}",
                    ),
                    unit="percentunit",
                ),
                lines(
                    "Depth",
                    "What the book shows, in base.",
                    Query('max by (symbol, side) (exchange_book_depth{symbol=~"$symbol"})', "{{symbol}} {{side}}"),
                ),
                lines(
                    "Orders in the book",
                    "By side.",
                    Query('max by (symbol, side) (exchange_book_orders{symbol=~"$symbol"})', "{{symbol}} {{side}}"),
                ),
                lines(
                    "Trades",
                    "A second.",
                    Query(
                        'sum by (symbol) (rate(exchange_trades_total{symbol=~"$symbol"}[$__rate_interval]))',
                        "{{symbol}}",
                    ),
                    unit="ops",
                ),
                lines(
                    "Phases",
                    "The phase that each market is in.",
                    Query(
                        'max by (symbol, phase) (exchange_market_phase{symbol=~"$symbol"}) == 1', "{{symbol}} {{phase}}"
                    ),
                    is_stacked=True,
                ),
                lines(
                    "Auctions and interruptions",
                    "Auctions that ended with a price, and volatility interruptions.",
                    Query(
                        'sum by (symbol) (increase(exchange_auctions_total{symbol=~"$symbol"}[$__rate_interval]))',
                        "{{symbol}} auctions",
                    ),
                    Query(
                        'sum by (symbol) (increase(exchange_interruptions_total{symbol=~"$symbol"}[$__rate_interval]))',
                        "{{symbol}} interruptions",
                    ),
                ),
            ],
        },
        variables=[choice("symbol", "Market", "exchange_market_phase")],
    )
