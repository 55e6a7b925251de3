"""Where jobs wait: one room per store."""
