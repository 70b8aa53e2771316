"""What operators look at: the dashboards, made from code.

The law: nothing is asked for that is not there; tests parse every query and compare its metrics and labels with what the processes show.
The alerts are beside the manifests (kubernetes/*-alerts.yml); docs/MONITORING.md says what each means.
"""
