"""What the authors of brokers and applications test with: the broker contract, broken brokers, a state machine."""
