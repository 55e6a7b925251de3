"""Jobs in tables of an SQL database: one broker, and one dialect per database."""

from treadle.brokers.sql.broker import SqlBroker

__all__ = ["SqlBroker"]
