"""Names: when two are of one identity, and how some of many are told."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Sequence

_JOINERS = "\u200c\u200d"  # of letters, which some scripts spell with


def canonical(name: str) -> str:
    """The name in Unicode's form NFC, without blanks around it or doubled inside it.

    And without marks that are not shown, such as one of the direction of writing.

    File systems and editors disagree on both: "José" is four code points or five.
    """
    shown = "".join(c for c in name if unicodedata.category(c) != "Cf" or c in _JOINERS)
    return " ".join(unicodedata.normalize("NFC", shown).split())


def spelling(name: str) -> str:
    """What two spellings of a name have in common: its letters and digits, caseless.

    For guards, which rather stop once too often: "Ann_Lee" and "ann lee" are one.
    """
    folded = unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", name).casefold()
    )
    return " ".join("".join(map(_letter, folded)).split()) or folded


def _letter(character: str) -> str:
    """Itself, or a blank for punctuation and symbols; marks of other scripts stay."""
    category = unicodedata.category(character)
    if category == "Cf":  # what only joins or parts letters, as in Persian and Hindi
        return ""
    return " " if category[0] in "PSZ" or category == "Cc" else character


def by_name(names: Collection[str]) -> Callable[[str], str | None]:
    """A function that finds a name of a collection, however it is written.

    It gives the very same one, or the only one with the same canonical form, or None.
    """
    exact, forms = set(names), Counter(map(canonical, names))
    only = {canonical(name): name for name in names if forms[canonical(name)] == 1}
    return lambda name: name if name in exact else only.get(canonical(name))


def say_some(names: Sequence[str], most: int = 5) -> str:
    """Names in one line, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
