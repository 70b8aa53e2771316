"""Count what sockets ask and get, for Prometheus. The law: what is counted for each frame costs no more than an addition."""

from prometheus_client import Counter, Gauge, Histogram

sockets = Gauge("websocket_connections_active", "Sockets that are connected.", multiprocess_mode="livesum")
subscriptions = Gauge(
    "websocket_subscriptions_active", "Channels that they are subscribed to.", multiprocess_mode="livesum"
)
messages = Counter("websocket_messages_total", "Messages that sockets sent, by what they ask.", ["op"])
frames = Counter("websocket_frames_sent_total", "Frames that were sent to sockets.")
closes = Counter("websocket_closes_total", "Sockets that were dropped, by code.", ["code"])
delay = Histogram(
    "stream_delay_seconds",
    "From the news of a commit to its arrival in this process's event loop, in seconds.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
