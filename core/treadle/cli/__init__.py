"""The `treadle` command. Each command is a file in `commands/`, loaded when it is used."""
