"""Documents whose words, pages and order are known before anything reads them."""
