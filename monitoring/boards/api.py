"""What clients ask and get."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import Limits, Query, board, lines


def api() -> Dashboard:
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
