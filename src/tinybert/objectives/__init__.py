"""What a student is trained on: pure functions, with a thin module below each; one value per example."""
