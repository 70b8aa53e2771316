"""Count what the web servers and the tasks do, read how the venue stands, and show it all to Prometheus.

The law: counting costs nothing that a trader would notice, and no metric that cannot be read stops another. What only the loop
knows is counted where it happens (trading/meters.py, trading/streams/meters.py); docs/MONITORING.md lists everything.
"""
