"""How each contestant is used: one module each, run inside the environment that has it installed."""
