"""The dashboards: what an operator asks, from "is all well" down to one process.

The law: the first board answers at a glance, each other one answers why. What several workers say alike is taken once (max by);
limits are those of the alerts.
"""

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import Limits, Query, board, choice, figure, lines

WRONG_IF_ANY = Limits(1, 1)
WRONG_IF_NONE = Limits(1, 1, is_floor=True)


def boards() -> Sequence[Dashboard]:
    """Make all of them."""
    return overview(), streams(), matching(), database(), processes()


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


def streams() -> Dashboard:
    return board(
        "exchange-api",
        "Exchange: API and streams",
        "What clients ask and get: requests by route, sockets, and how late streams are.",
        {
            "Requests": [
                lines(
                    "Requests by route",
                    "The fifteen busiest routes.",
                    Query(
                        "topk(15, sum by (method, route) (rate(http_requests_total[$__rate_interval])))",
                        "{{method}} {{route}}",
                    ),
                    unit="reqps",
                ),
                lines(
                    "Answers by status",
                    "Of the API and the frontend together.",
                    Query("sum by (status) (rate(http_requests_total[$__rate_interval]))", "{{status}}"),
                    unit="reqps",
                    is_stacked=True,
                ),
                lines(
                    "Share of 5xx",
                    "Of all answers, by process kind.",
                    Query(
                        'sum by (job) (rate(http_requests_total{status=~"5.."}[$__rate_interval])) / sum by (job) (rate(http_requests_total[$__rate_interval])) or 0 * sum by (job) (rate(http_requests_total[$__rate_interval]))',
                        "{{job}}",
                    ),
                    unit="percentunit",
                    limits=Limits(0.001, 0.01),
                ),
                lines(
                    "Time of a request",
                    "Half, 95 and 99 of 100 requests of the API were answered within.",
                    *(
                        Query(
                            f'histogram_quantile({share}, sum by (le) (rate(http_request_duration_seconds_bucket{{job="exchange-api"}}[$__rate_interval])))',
                            f"{share}",
                        )
                        for share in (0.5, 0.95, 0.99)
                    ),
                    unit="s",
                    limits=Limits(0.25, 0.5),
                ),
                lines(
                    "Slowest routes",
                    "The ten routes with the longest time of 95 in 100.",
                    Query(
                        "topk(10, histogram_quantile(0.95, sum by (le, method, route) (rate(http_request_duration_seconds_bucket[$__rate_interval]))))",
                        "{{method}} {{route}}",
                    ),
                    unit="s",
                ),
                lines(
                    "Going on",
                    "Requests that are being answered, and connections, idle ones included.",
                    Query("sum by (job) (http_requests_in_progress)", "{{job}} requests"),
                    Query("sum by (job) (http_connections_active)", "{{job}} connections"),
                ),
            ],
            "Streams": [
                lines(
                    "Sockets",
                    "By frontend.",
                    Query("sum by (instance) (websocket_connections_active)", "{{instance}}"),
                    is_stacked=True,
                ),
                lines(
                    "Subscriptions",
                    "Channels that sockets follow, by frontend.",
                    Query("sum by (instance) (websocket_subscriptions_active)", "{{instance}}"),
                    is_stacked=True,
                ),
                lines(
                    "How late streams are",
                    "From the news of a commit to a frontend's event loop: half, and 95 of 100.",
                    *(
                        Query(
                            f"histogram_quantile({share}, sum by (le) (rate(stream_delay_seconds_bucket[$__rate_interval])))",
                            f"{share}",
                        )
                        for share in (0.5, 0.95)
                    ),
                    unit="s",
                    limits=Limits(0.5, 1),
                ),
                lines(
                    "Frames sent",
                    "Frames a second to all sockets.",
                    Query("sum by (instance) (rate(websocket_frames_sent_total[$__rate_interval]))", "{{instance}}"),
                    unit="ops",
                ),
                lines(
                    "Messages of clients",
                    "What sockets ask, a second.",
                    Query("sum by (op) (rate(websocket_messages_total[$__rate_interval]))", "{{op}}"),
                    unit="ops",
                ),
                lines(
                    "Sockets that were dropped",
                    "By code; docs/STREAMS.md says what each means.",
                    Query("sum by (code) (rate(websocket_closes_total[$__rate_interval]))", "{{code}}"),
                    unit="ops",
                ),
            ],
        },
    )


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


def database() -> Dashboard:
    return board(
        "exchange-database",
        "Exchange: Database and ledger",
        "PostgreSQL as the venue sees it, the checks of the books, backups and room on disks.",
        {
            "Ledger and backups": [
                figure(
                    "Differences: ledger",
                    "Found by the last check of the ledger's sum.",
                    Query('max(exchange_integrity_differences{check="ledger"})'),
                    limits=WRONG_IF_ANY,
                ),
                figure(
                    "Differences: all",
                    "Found by the last check of everything.",
                    Query('max(exchange_integrity_differences{check="all"})'),
                    limits=WRONG_IF_ANY,
                ),
                figure(
                    "Ledger checked",
                    "Time since; due every five minutes.",
                    Query('time() - max(exchange_integrity_checked_timestamp_seconds{check="ledger"})'),
                    unit="s",
                    limits=Limits(1200, 3600),
                ),
                figure(
                    "All checked",
                    "Time since; due each day.",
                    Query('time() - max(exchange_integrity_checked_timestamp_seconds{check="all"})'),
                    unit="s",
                    limits=Limits(26 * 3600, 50 * 3600),
                ),
                figure(
                    "Last backup",
                    "Time since; due each day.",
                    Query("time() - max(exchange_backup_timestamp_seconds)"),
                    unit="s",
                    limits=Limits(26 * 3600, 50 * 3600),
                ),
                figure("Its size", "Of the last backup.", Query("max(exchange_backup_bytes)"), unit="bytes"),
                lines(
                    "Time of the checks",
                    "How long each took.",
                    Query("max by (check) (exchange_integrity_duration_seconds)", "{{check}}"),
                    unit="s",
                    width=24,
                ),
            ],
            "PostgreSQL": [
                lines(
                    "Connections",
                    "By what they do.",
                    Query("max by (state) (exchange_database_connections)", "{{state}}"),
                    is_stacked=True,
                ),
                lines(
                    "Connections in use",
                    "Of those that PostgreSQL allows.",
                    Query(
                        "sum(max by (state) (exchange_database_connections)) / max(exchange_database_connections_max)",
                        "used",
                    ),
                    unit="percentunit",
                    limits=Limits(0.8, 0.95),
                ),
                lines(
                    "Transactions",
                    "A second, by outcome.",
                    Query(
                        "max by (outcome) (rate(exchange_database_transactions_total[$__rate_interval]))", "{{outcome}}"
                    ),
                    unit="ops",
                ),
                lines(
                    "Oldest open transaction",
                    "Its age. A long one slows matching down.",
                    Query("max(exchange_database_oldest_transaction_seconds)", "age"),
                    unit="s",
                    limits=Limits(600, 1800),
                ),
                lines(
                    "Statements",
                    "A second, by process kind.",
                    Query("sum by (job) (rate(django_db_execute_total[$__rate_interval]))", "{{job}}"),
                    unit="ops",
                ),
                lines(
                    "Time of a statement",
                    "Within which 95 of 100 were done, by process kind.",
                    Query(
                        "histogram_quantile(0.95, sum by (le, job) (rate(django_db_query_duration_seconds_bucket[$__rate_interval])))",
                        "{{job}}",
                    ),
                    unit="s",
                ),
                lines(
                    "New connections",
                    "A second, and those that failed.",
                    Query("sum by (job) (rate(django_db_new_connections_total[$__rate_interval]))", "{{job}}"),
                    Query(
                        "sum by (job) (rate(django_db_new_connection_errors_total[$__rate_interval]))", "{{job}} failed"
                    ),
                    unit="ops",
                ),
                lines(
                    "Errors and deadlocks",
                    "Errors that statements met, by type, and deadlocks that PostgreSQL resolved.",
                    Query("sum by (type) (rate(django_db_errors_total[$__rate_interval]))", "{{type}}"),
                    Query("max(rate(exchange_database_deadlocks_total[$__rate_interval]))", "deadlocks"),
                    unit="ops",
                ),
                lines(
                    "Size",
                    "Of the whole database.",
                    Query("max(exchange_database_size_bytes)", "database"),
                    unit="bytes",
                ),
                lines(
                    "Replicas behind by",
                    "Each one that is connected.",
                    Query("max by (replica) (exchange_database_replication_lag_seconds)", "{{replica}}"),
                    Query("max(exchange_database_replicas)", "replicas"),
                    unit="s",
                    limits=Limits(10, 30),
                ),
            ],
            "Room": [
                lines(
                    "Volumes: free",
                    "By the kubelet.",
                    Query(
                        'kubelet_volume_stats_available_bytes{namespace="exchange"} / kubelet_volume_stats_capacity_bytes{namespace="exchange"}',
                        "{{persistentvolumeclaim}}",
                    ),
                    unit="percentunit",
                    limits=Limits(0.15, 0.05, is_floor=True),
                ),
                lines(
                    "Disks: free",
                    "By node_exporter.",
                    Query(
                        'node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs"} / node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay|squashfs"}',
                        "{{instance}} {{mountpoint}}",
                    ),
                    unit="percentunit",
                    limits=Limits(0.15, 0.05, is_floor=True),
                ),
            ],
        },
    )


def processes() -> Dashboard:
    return board(
        "exchange-processes",
        "Exchange: Celery and processes",
        "Tasks, queues, and what each process uses.",
        {
            "Celery": [
                lines(
                    "Tasks done",
                    "A second, by task.",
                    Query('sum by (task) (rate(celery_tasks_total{state="success"}[$__rate_interval]))', "{{task}}"),
                    unit="ops",
                ),
                lines(
                    "Tasks that failed",
                    "Or are to be tried again, by task.",
                    Query(
                        'sum by (task, state) (increase(celery_tasks_total{state=~"failure|retry"}[$__rate_interval]))',
                        "{{task}} {{state}}",
                    ),
                ),
                lines(
                    "Time of a task",
                    "Within which 95 of 100 were done.",
                    Query(
                        "histogram_quantile(0.95, sum by (le, task) (rate(celery_task_duration_seconds_bucket[$__rate_interval])))",
                        "{{task}}",
                    ),
                    unit="s",
                ),
                lines(
                    "Queues",
                    "Tasks that wait for a worker.",
                    Query("max by (queue) (exchange_queue_length)", "{{queue}}"),
                    limits=Limits(50, 100),
                ),
                lines(
                    "Sent",
                    "Tasks that beat and others hand to the broker, a second.",
                    Query("sum by (job, task) (rate(celery_tasks_sent_total[$__rate_interval]))", "{{job}} {{task}}"),
                    unit="ops",
                ),
                lines(
                    "Workers by Flower",
                    "1 for each that is online.",
                    Query("max by (worker) (flower_worker_online)", "{{worker}}"),
                ),
            ],
            "Processes": [
                lines("Targets that answer", "By job.", Query('sum by (job) (up{job=~"exchange-.+"})', "{{job}}")),
                lines(
                    "CPU",
                    "Cores in use, all processes of a target together.",
                    Query(
                        'rate(process_cpu_seconds_total{job=~"exchange-.+"}[$__rate_interval])', "{{job}} {{instance}}"
                    ),
                ),
                lines(
                    "Memory",
                    "Resident, all processes of a target together.",
                    Query('process_resident_memory_bytes{job=~"exchange-.+"}', "{{job}} {{instance}}"),
                    unit="bytes",
                ),
                lines(
                    "Open files and sockets",
                    "Of those that a target may open.",
                    Query(
                        'process_open_fds{job=~"exchange-.+"} / process_max_fds{job=~"exchange-.+"}',
                        "{{job}} {{instance}}",
                    ),
                    unit="percentunit",
                    limits=Limits(0.6, 0.8),
                ),
                lines(
                    "Up since",
                    "Age of each target's first process.",
                    Query('time() - process_start_time_seconds{job=~"exchange-.+"}', "{{job}} {{instance}}"),
                    unit="s",
                ),
                lines(
                    "Parts that can be read",
                    "1 where a worker can read this part of the metrics.",
                    Query("max by (part) (exchange_collected)", "{{part}}"),
                    limits=WRONG_IF_NONE,
                ),
            ],
        },
    )
