"""Tasks, queues, and what each process uses."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.panels import WRONG_IF_NONE, Limits, Query, board, lines


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
