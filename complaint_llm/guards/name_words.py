"""Words that stand in names and elsewhere: what of a listed name may be taken for itself, and what says its kind."""

from __future__ import annotations

TITLES = frozenset(
    (
        "mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sr", "sra", "srta", "senor", "senora", "senorita",
        "don", "dona", "judge", "officer", "hon", "rev", "father", "sister", "brother", "pastor", "rabbi",
        "imam", "sgt", "capt", "lt", "col", "ofc",
    )
)  # fmt: skip
"""Words before a name that are no part of it."""

NEVER_ALONE = frozenset(
    (
        "a", "an", "and", "any", "are", "as", "at", "be", "by", "de", "del", "der", "des", "di", "do", "da",
        "das", "dos", "du", "e", "el", "en", "et", "for", "from", "he", "her", "his", "how", "i", "if", "in",
        "is", "it", "la", "las", "le", "les", "lo", "los", "me", "my", "no", "not", "of", "on", "or", "our",
        "she", "so", "that", "the", "they", "this", "to", "up", "us", "van", "von", "was", "we", "who", "y",
        "you", "your", "al", "bin", "ben", "ibn", "bint", "abu", "abd", "ter", "te", "ten", "jr", "junior",
        "senior", "ii", "iii", "iv",
    )
)  # fmt: skip
"""Parts of names that alone are names of nobody."""

CAPITAL_ALONE = frozenset(
    (
        "able", "abbey", "amber", "angel", "april", "art", "ash", "august", "autumn", "baker", "ball",
        "banks", "barber", "bell", "berry", "best", "bill", "bishop", "black", "blue", "bond", "booker",
        "booth", "brand", "bridge", "bright", "brook", "brown", "buck", "burn", "bush", "butler", "carpenter",
        "carter", "case", "cash", "chance", "chase", "christian", "church", "clay", "cliff", "cole", "cook",
        "cooper", "court", "cross", "crystal", "daisy", "dale", "dawn", "day", "dean", "destiny", "dollar",
        "drew", "duke", "early", "earl", "east", "english", "eve", "faith", "farmer", "fields", "fisher",
        "fish", "flowers", "forest", "fox", "francis", "frank", "free", "french", "gardener", "gates", "gene",
        "genesis", "george", "glass", "gold", "good", "grace", "grant", "gray", "green", "grove", "guy",
        "hale", "hall", "hand", "hardy", "harmony", "hart", "heath", "hill", "holiday", "holly", "home",
        "hood", "hope", "house", "hunter", "iris", "ivory", "ivy", "jack", "jade", "jasmine", "jewel", "job",
        "jordan", "joy", "judge", "june", "just", "justice", "key", "king", "knight", "lake", "land", "lane",
        "law", "little", "london", "long", "lord", "love", "low", "major", "mark", "marks", "marsh", "mason",
        "may", "melody", "mercy", "miles", "mill", "miller", "mills", "moody", "moon", "moore", "more",
        "nail", "neighbor", "new", "nice", "noble", "north", "nurse", "olive", "page", "paige", "paris",
        "park", "parker", "parks", "patience", "patient", "pearl", "penny", "person", "pike", "pink", "pool",
        "poor", "porter", "potter", "power", "precious", "price", "prince", "queen", "rain", "ray", "reason",
        "red", "reed", "rich", "river", "rivers", "rob", "robin", "rock", "rose", "rowe", "ruby", "rush",
        "rusty", "sage", "sandy", "savage", "serenity", "shelter", "shepherd", "short", "singer", "small",
        "smart", "smith", "sky", "south", "spring", "stark", "star", "stone", "storm", "story", "strand",
        "street", "strong", "sue", "sugar", "summer", "summers", "sun", "swift", "taylor", "thomas", "tiger",
        "tom", "trinity", "turner", "violet", "wade", "walker", "wall", "ward", "waters", "way", "wells",
        "west", "white", "wild", "will", "wills", "wilder", "winter", "wolf", "wood", "woods", "woody",
        "word", "worth", "wright", "york", "young", "angela", "antes", "cruz", "dolores", "flores", "leon",
        "mar", "mercedes", "nieves", "paz", "pilar", "reyes", "rios", "rosa", "sol", "soledad", "torres",
        "vega", "vera", "luz", "lima",
    )
)  # fmt: skip
"""Parts of names that are words as well, in English or Spanish: alone they are names where they have a capital."""

OF_ORGANISATIONS = frozenset(
    (
        "llc", "inc", "incorporated", "corp", "corporation", "co", "company", "ltd", "limited", "llp", "lp",
        "plc", "gmbh", "group", "holdings", "bank", "savings", "credit", "union", "residential", "properties",
        "property", "management", "apartments", "realty", "services", "service", "associates", "partners",
        "agency", "department", "office", "hospital", "clinic", "school", "church", "parish", "motors",
        "diner", "restaurant", "restoration", "county", "city", "community", "health", "insurance", "care",
        "loan", "sa", "sl",
    )
)  # fmt: skip
"""Words by which a name without a kind is an organisation's: it is taken as it stands, not in parts."""

GENERAL = CAPITAL_ALONE | frozenset(
    (
        "american", "central", "city", "county", "federal", "first", "general", "international", "legal", "local",
        "metropolitan", "national", "regional", "second", "state", "united", "your",
    )
)  # fmt: skip
"""Words that alone are no organisation's short name."""
