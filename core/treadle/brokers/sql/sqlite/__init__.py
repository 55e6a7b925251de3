"""The SQLite dialect: an embedded database, shared by the processes of one machine."""
