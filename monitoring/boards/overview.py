"""Is all well?"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import WRONG_IF_ANY, WRONG_IF_NONE, Limits, Query, board, figure, lines


def overview() -> Dashboard:
    return board(
        "exchange-overview",
        "Exchange: Overview",
        "Is all well? If a figure is red, the other boards say why, and docs/MONITORING.md what to do.",
        {
            "Is all well": [
                figure(
                    "Critical alerts",
                    "Critical alerts that fire now.",
                    Query('count(ALERTS{alertstate="firing", severity="critical"}) or vector(0)'),
                    limits=WRONG_IF_ANY,
                ),
                figure(
                    "Warnings",
                    "Warnings that fire now.",
                    Query('count(ALERTS{alertstate="firing", severity="warning"}) or vector(0)'),
                    limits=Limits(1, 10),
                ),
                figure(
                    "API",
                    "Processes of the API that answer Prometheus.",
                    Query('sum(up{job="exchange-api"})'),
                    limits=WRONG_IF_NONE,
                ),
                figure(
                    "Frontend",
                    "Processes of the frontend that answer Prometheus.",
                    Query('sum(up{job="exchange-frontend"})'),
                    limits=WRONG_IF_NONE,
                ),
                figure(
                    "Matching",
                    "1 if every shard has given a sign of life.",
                    Query("min(max by (shard) (exchange_matching_alive))"),
                    limits=WRONG_IF_NONE,
                ),
                figure(
                    "Worker and beat",
                    "The fewer of the two: 0 if either is missing.",
                    Query('min(sum by (job) (up{job=~"exchange-(worker|beat)"}))'),
                    limits=WRONG_IF_NONE,
                ),
                figure(
                    "PostgreSQL",
                    "1 if it answers the workers.",
                    Query("max(exchange_database_up)"),
                    limits=WRONG_IF_NONE,
                ),
                figure("Redis", "1 if it answers the workers.", Query("max(exchange_redis_up)"), limits=WRONG_IF_NONE),
                figure(
                    "Halted by failure",
                    "Markets that halted themselves since a command failed.",
                    Query("sum(max by (symbol) (exchange_market_halted_by_failure))"),
                    limits=WRONG_IF_ANY,
                ),
                figure(
                    "Differences in the books",
                    "What the last checks found that does not add up.",
                    Query("sum(max by (check) (exchange_integrity_differences))"),
                    limits=WRONG_IF_ANY,
                ),
                figure(
                    "Ledger checked",
                    "Time since the ledger's last check; due every five minutes.",
                    Query('time() - max(exchange_integrity_checked_timestamp_seconds{check="ledger"})'),
                    unit="s",
                    limits=Limits(1200, 3600),
                ),
                figure(
                    "Last backup",
                    "Time since the last backup that succeeded; due each day.",
                    Query("time() - max(exchange_backup_timestamp_seconds)"),
                    unit="s",
                    limits=Limits(26 * 3600, 50 * 3600),
                ),
            ],
            "What goes on": [
                lines(
                    "Requests",
                    "Answers a second, by class of status, of the API and the frontend.",
                    Query(
                        'sum by (job, status) (rate(http_requests_total{status=~"5.."}[$__rate_interval]))',
                        "{{job}} {{status}}",
                    ),
                    Query(
                        'sum by (job) (rate(http_requests_total{status!~"5.."}[$__rate_interval]))', "{{job}} not 5xx"
                    ),
                    unit="reqps",
                ),
                lines(
                    "Time of a request",
                    "Within which 95 of 100 requests were answered.",
                    Query(
                        "histogram_quantile(0.95, sum by (le, job) (rate(http_request_duration_seconds_bucket[$__rate_interval])))",
                        "{{job}}",
                    ),
                    unit="s",
                    limits=Limits(0.25, 0.5),
                ),
                lines(
                    "Orders and trades",
                    "New orders that were matched, and trades, a second.",
                    Query('sum(rate(exchange_commands_total{kind="new"}[$__rate_interval]))', "orders"),
                    Query("sum(rate(exchange_trades_total[$__rate_interval]))", "trades"),
                    unit="ops",
                ),
                lines(
                    "Matching is behind by",
                    "Age of the oldest command that waits, by shard.",
                    Query("max by (shard) (exchange_matching_lag_seconds)", "shard {{shard}}"),
                    unit="s",
                    limits=Limits(5, 60),
                ),
                lines(
                    "Sockets",
                    "Sockets that are connected, and what they follow.",
                    Query("sum(websocket_connections_active)", "sockets"),
                    Query("sum(websocket_subscriptions_active)", "subscriptions"),
                ),
                lines(
                    "Alerts",
                    "What fires now.",
                    Query('sum by (alertname, severity) (ALERTS{alertstate="firing"})', "{{severity}}: {{alertname}}"),
                    is_stacked=True,
                ),
            ],
        },
    )
