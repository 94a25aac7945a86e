"""What a run was worth: size, speed, quality with its uncertainty, and one HTML page that shows it."""
