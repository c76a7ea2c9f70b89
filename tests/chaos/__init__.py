"""The chaos suite: real brokers and workers under faults, judged against a single-process run over the same log."""
