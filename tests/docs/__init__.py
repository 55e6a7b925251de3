"""The documentation is true: its examples run, its links lead somewhere, the names it uses exist."""
