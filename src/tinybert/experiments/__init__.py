"""The papers' tables as data, and what runs, compares and shows them; a user's own file has the same form."""
