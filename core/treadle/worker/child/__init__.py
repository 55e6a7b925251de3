"""A child: the process that runs jobs. Its broker thread claims and settles, its slots run."""
