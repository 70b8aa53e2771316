"""Name what a Redis that is away, or goes while it is asked, raises.

The law: whoever goes on without Redis catches all of it. A connection that is closed under its reader, or just before,
shows as what its closed or missing buffer raises; redis-py lets that through (its issues 787 and 3184).
"""

from redis.exceptions import RedisError

REDIS_ERRORS = (RedisError, OSError, ValueError, AttributeError)
