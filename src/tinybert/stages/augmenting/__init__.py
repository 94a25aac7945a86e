"""From rows to many more rows: shards of copies, executors, duplicates, flips, quality."""
