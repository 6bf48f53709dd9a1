"""Names that differ only in how they are written are of one identity."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_facenet.data.names import by_name, canonical, spelling

JOSE_NFC, JOSE_NFD = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("other", [JOSE_NFD, "José ", " José", "Jose\u0301\n"])
def test_unicode_forms_and_blanks_make_no_other_identity(other):
    assert canonical(other) == JOSE_NFC
    assert spelling(other) == spelling(JOSE_NFC)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Ann_Lee", "ann lee"),
        ("Ann-Lee ", "ANN_LEE"),
        ("Straße", "STRASSE"),
        ("\ufb01n", "fin"),
        ("\uff21nn", "Ann"),
    ],
)
def test_guards_see_one_spelling_in_two(a, b):
    assert spelling(a) == spelling(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("राम", "रीम"),
        ("🙂", "🙃"),
        ("...", "___"),
        ("Anné", "Anne"),
        ("R\udce9", "R\udcea"),
    ],
)
def test_guards_do_not_take_every_name_for_one(a, b):
    """Vowels of other scripts are marks; a name may be of symbols alone."""
    assert spelling(a) != spelling(b)


def test_a_name_is_found_however_it_is_written():
    find = by_name(["José", "Bob  Roe", "Bob Roe"])
    assert find(JOSE_NFD) == find("José ") == "José"
    assert find("Bob  Roe") == "Bob  Roe"
    assert find(" Bob Roe ") is None  # which of the two?
    assert find("Jose") is None


def test_what_is_not_shown_makes_no_other_identity():
    assert canonical("Jos\u00e9\u200b") == canonical("\ufeffJos\u00e9") == JOSE_NFC


def test_other_letters_are_another_identity():
    assert canonical("Jose") != canonical("José")
    assert spelling("Ann_Lee") != spelling("Annlee")


@given(st.text())
def test_doing_it_twice_changes_nothing(name):
    assert canonical(canonical(name)) == canonical(name)
    assert spelling(spelling(name)) == spelling(name)


@given(st.text())
def test_unicode_forms_never_matter(name):
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, name)
        assert canonical(written) == canonical(name)
        assert spelling(written) == spelling(name)
