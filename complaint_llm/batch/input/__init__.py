"""What a batch reads: lines, tables, folders, and the items made of them."""
