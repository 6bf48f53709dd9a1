"""When two names are of one identity."""

import re
import unicodedata


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
    return re.sub(r"[\W_]+", " ", folded).strip()
