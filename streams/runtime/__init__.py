"""What feeds the folds from Kafka and keeps their checkpoints; nothing in it knows what a fold computes."""
