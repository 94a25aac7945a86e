"""Plain text of any size: read as a stream, packed into blocks of pieces on the disk, given out in a random order."""
