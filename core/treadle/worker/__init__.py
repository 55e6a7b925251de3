"""The worker's processes: a supervisor, a template, and children that run jobs in a pool."""
