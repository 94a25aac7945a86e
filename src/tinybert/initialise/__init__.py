"""How a student starts: at random, from chosen layers of its teacher, or as a projection of it."""
