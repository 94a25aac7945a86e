"""A page that asks an exported student in the browser."""
