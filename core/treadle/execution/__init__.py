"""Running one delivery and judging how it went: used by workers, and by eager calls."""
