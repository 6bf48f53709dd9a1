"""When two names are of one identity."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection

# By the first letter of their category: punctuation, symbols, separators, controls.
_CUT = dict.fromkeys("PSZC", " ")


def canonical(name: str) -> str:
    """The name in Unicode's form NFC, without blanks around it or doubled inside it.

    File systems and editors disagree on both: "José" is four code points or five.
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


def spelling(name: str) -> str:
    """What two spellings of a name have in common: its letters and digits, caseless.

    For guards, which rather stop once too often: "Ann_Lee" and "ann lee" are one.
    """
    folded = unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", name).casefold()
    )
    kept = [_CUT.get(unicodedata.category(c)[0], c) for c in folded if _is_shown(c)]
    return " ".join("".join(kept).split()) or folded


def _is_shown(character: str) -> bool:
    """Not what only joins or parts letters, as in Persian and Hindi."""
    return unicodedata.category(character) != "Cf"


def by_name(names: Collection[str]) -> Callable[[str], str | None]:
    """A function that finds a name of a collection, however it is written.

    It gives the very same one, or the only one with the same canonical form, or None.
    """
    exact, forms = set(names), Counter(map(canonical, names))
    only = {canonical(name): name for name in names if forms[canonical(name)] == 1}
    return lambda name: name if name in exact else only.get(canonical(name))
