"""Measure this platform, and print yardsticks beside it that were taken in the same run.

Here: `streams` and `yardstick` (the order flow and the bare book that the engine is held against), `engine` and `worker`
(commands per CPU second), `venue` and `furnish` (a whole platform of its own), `load` (what knocks at its door), `pgbench`
(what the database alone does), `service` (orders through the API), `past`, `plans` and `history` (reads of many trades), `cpu`,
`figures` and `machine`.

The law: a figure is a median of runs, with its range and what it was measured beside. A wrong answer is an error, a slow one
never is. The project imports nothing of this, and what is measured runs as it does in earnest: durable, its own processes.

`python -m bench` is bin/bench; docs/DEVELOPMENT.md says how to read what it prints.
"""
