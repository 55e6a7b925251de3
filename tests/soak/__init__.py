"""A long run that looks for growth: `python -m tests.soak --store redis --jobs 1000000`. No part of `make test`."""
