"""The MySQL and MariaDB dialect: a server, row locks, no RETURNING and nobody who calls."""
