"""The Redis broker: a store whose every change is one server-side script. Also for Valkey, Sentinel and Cluster."""

from treadle.brokers.redis.broker import RedisBroker

__all__ = ["RedisBroker"]
