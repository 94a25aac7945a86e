"""The training loop, evaluation, checkpoints and stored teacher outputs."""
