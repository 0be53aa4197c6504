"""Looking quotes up costs little more than finding plain texts: 500 quotes over 1.2 million characters."""

from __future__ import annotations

import random
import time

from complaint_llm.checks.quote_search import SearchableText, find_quote


def test_five_hundred_quotes_over_a_long_text_cost_a_few_plain_searches() -> None:
    """In CPU time, beside what ``str.find`` alone takes for the same quotes in the same process."""
    chance = random.Random(1)
    words = ["".join(chance.choice("abcdefghij") for _ in range(chance.randint(2, 9))) for _ in range(5000)]
    written = [chance.choice(words) for _ in range(195_000)]
    text = " ".join(written)
    assert len(text) > 1_200_000
    right = [" ".join(written[place : place + 12]) for place in (chance.randrange(190_000) for _ in range(250))]
    wrong = [" ".join(chance.choice(words) for _ in range(12)) for _ in range(250)]
    began = time.process_time()
    plain = [text.find(quote) >= 0 for quote in (*right, *wrong)]
    yardstick = time.process_time() - began
    began = time.process_time()
    searched = [SearchableText.of(text)]
    found = [find_quote(quote, searched).stands for quote in (*right, *wrong)]
    assert found == plain == [True] * 250 + [False] * 250
    assert time.process_time() - began < 12 * yardstick + 0.2
