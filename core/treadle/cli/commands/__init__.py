"""The commands, one file each: its `command` is what `treadle NAME` runs."""
