"""PostgreSQL as the venue sees it, the checks of the books, backups and room on disks."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import WRONG_IF_ANY, Limits, Query, board, figure, lines


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
