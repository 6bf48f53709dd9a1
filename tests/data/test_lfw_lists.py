"""Lists of people and of pairs: what is read, and what is refused."""

import pytest

from cl_facenet.data.lfw_lists import read_pairs, read_people
from cl_facenet.errors import InputError


def lines(*rows):
    return "".join(f"{row}\n" for row in rows).replace(" ", "\t")


PAIRS = lines("2 1", "Ann 1 12", "Ann 2 Bob 3", "Cy 1 2", "Cy 1 Dee 1")


def test_pairs_come_in_folds():
    pairs = read_pairs(PAIRS)
    assert pairs.photos == [
        ("Ann/Ann_0001.jpg", "Ann/Ann_0012.jpg"),
        ("Ann/Ann_0002.jpg", "Bob/Bob_0003.jpg"),
        ("Cy/Cy_0001.jpg", "Cy/Cy_0002.jpg"),
        ("Cy/Cy_0001.jpg", "Dee/Dee_0001.jpg"),
    ]
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.folds.tolist() == [0, 0, 1, 1]


def test_a_header_of_one_number_is_one_fold():
    pairs = read_pairs(lines("1", "Ann 1 2", "Ann 1 Bob 1"))
    assert pairs.same.tolist() == [True, False]
    assert pairs.folds.tolist() == [0, 0]


def test_any_photos_can_be_paired_in_the_plain_format():
    pairs = read_pairs("a/1.png\tb/1 2.png\tdifferent\na/1.png\ta/2.png\tsame\n")
    assert pairs.photos == [("a/1.png", "b/1 2.png"), ("a/1.png", "a/2.png")]
    assert pairs.same.tolist() == [False, True]
    assert pairs.folds.tolist() == [0, 0]


def test_line_ends_of_any_system_are_read():
    converted = read_pairs(PAIRS.replace("\n", "\r\n"))
    assert converted.photos == read_pairs(PAIRS).photos


@pytest.mark.parametrize("end", ["\n", "\n\n", " \n", "\t\n \t\n\n", ""])
def test_blanks_at_the_ends_of_lines_and_below_them_say_nothing(end):
    text = PAIRS.rstrip().replace("\n", " \t\n") + end
    assert read_pairs(text).photos == read_pairs(PAIRS).photos
    assert read_people(f"2 \nAnn\t12\t\nBob\t3{end}") == [{"Ann": 12, "Bob": 3}]
    plain = read_pairs(f"a/1.png \ta/2.png\tsame{end}")
    assert plain.photos == [("a/1.png", "a/2.png")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines("a/1 a/1 same"), "line 1: a/1 beside itself tells nothing"),
        ("José/1\tJose\u0301/1\tsame\n", "line 1: .* beside itself"),
        (lines("a b same", "c d same", "a b same"), "line 3: a and b are in line 1"),
        (lines("a b same", "b a same"), "line 2: b and a are in line 1 already: keep"),
        (lines("a b same", "b a different"), "line 2: .* already, with another answer"),
        (lines("1", "Ann 1 1", "Ann 1 Bob 1"), "line 2: .* beside itself"),
        (lines("1", "Ann 1 2", "Ann 1 Ann 3"), "line 3: two photos of Ann among"),
        (
            lines("2 1", "Ann 1 2", "Ann 1 Bob 1", "Ann 2 1", "Ann 2 Bob 1"),
            "line 4: Ann/Ann_0002.jpg and Ann/Ann_0001.jpg are in line 2 already",
        ),
        (
            lines("2 1", "Ann 1 2", "Ann 1 Bob 1", "Cy 2 1", "Bob 01 Ann 1"),
            "line 5: .* are in line 3 already",
        ),
    ],
)
def test_worthless_pairs_are_named_by_their_line(text, message):
    with pytest.raises(InputError, match=f"^mine.txt, {message}"):
        read_pairs(text, "mine.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\tsame\n\nc\td\tsame\n", "line 2: expected PHOTO, PHOTO"),
        (lines("1", "Ann 1 2", "Ann 1 Bob"), "line 3: expected PERSON, I, PERSON, J"),
        (lines("1", "Ann 1 x", "Ann 1 Bob 1"), "line 2: expected PERSON, I, J"),
        (lines("1", "Ann 1 Bob 1", "Ann 1 2"), "line 2: expected PERSON, I, J"),
        (lines("1", "Ann 1 2"), r"1 pairs, where .* announces 1 x \(1 same"),
        (lines("2 1", "Ann 1 2", "Ann 1 Bob 1"), "2 pairs, where .* announces 2 x"),
        (lines("0"), "0 pairs"),
        (lines("a b same", "a b maybe"), "line 2: expected PHOTO, PHOTO, same or diff"),
        ("Ann 1 2\n", "line 1: expected PHOTO, PHOTO.*separated by tabs"),
        ("", "no pairs in it"),
    ],
)
def test_bad_pairs_are_refused(text, message):
    with pytest.raises(InputError, match=f"^mine.txt.*{message}"):
        read_pairs(text, "mine.txt")


def test_people_come_in_one_set_or_several():
    one = lines("2", "Ann 12", "Bob 3")
    assert read_people(one) == [{"Ann": 12, "Bob": 3}]
    several = lines("2", "2", "Ann 12", "Bob 3", "1", "Cy 2")
    assert read_people(several) == [{"Ann": 12, "Bob": 3}, {"Cy": 2}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines("2", "Ann 1"), "1 people in 1 sets, which is not what it announces"),
        (lines("1", "Ann 1", "Bob 1"), "2 people in 1 sets"),
        (lines("2", "1", "Ann 1"), "1 people in 1 sets"),
        (lines("2", "1", "Ann 1", "1", "Ann 2"), "line 5: Ann is there twice"),
        (lines("2", "José 1", "Jose\u0301 2"), "line 3: .* is there twice"),
        ("2\nAnn\t1\n\nBob\t1\n", "line 3: expected PERSON, PHOTOS"),
        (lines("2", "Ann 1", "Bob"), "line 3: expected PERSON, PHOTOS"),
        (lines("Ann 1"), "line 1: expected PERSON, PHOTOS"),
        ("", "0 people in 0 sets"),
    ],
)
def test_bad_people_are_refused(text, message):
    with pytest.raises(InputError, match=f"^mine.txt.*{message}"):
        read_people(text, "mine.txt")
