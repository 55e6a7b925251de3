"""The PostgreSQL dialect: a server, row locks, and NOTIFY."""
