"""`treadle demo`: a small, complete application of Treadle. Read `tasks.py`, then `run.py`."""
