"""PDF, by PDFium: what a page shows and hides, in the order in which a person reads it. In the reading process only."""
