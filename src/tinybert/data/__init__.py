"""Data: from files, the hub or memory to checked, split and encoded rows."""
