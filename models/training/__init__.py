"""The parts of the trainer: batches, the network's training pass, optimiser, checkpoints, validation."""
