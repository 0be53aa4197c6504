"""Checks of answers: quotes, references, numbers, law; each finds what does not hold and says where."""
