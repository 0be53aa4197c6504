"""Where blocks are kept: rows, files, and the trash."""
