"""The one place that builds on Avalanche's templates: in-memory streams, N iterations per experience, evaluation."""
