"""What one can see of running jobs: logs, and which job is current."""
