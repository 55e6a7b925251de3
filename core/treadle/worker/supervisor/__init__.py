"""The supervisor: the worker's parent process. It runs no user code; it starts, watches and replaces the others."""
