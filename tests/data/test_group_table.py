"""A CSV of groups says who is in which, and what it does not say is counted."""

import pytest

from cl_facenet.data.group_table import MAX_GROUPS, members, read_group_table
from cl_facenet.errors import InputError


def read(tmp_path, text):
    path = tmp_path / "groups.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_group_table(path)


def test_a_table_of_people(tmp_path):
    text = "person,gender,born in\nAnn,female,1970s\n\nBob , male,\n"
    table = read(tmp_path, text)
    assert (table.name, table.of, table.rows) == (
        "groups.csv",
        "person",
        ["Ann", "Bob"],
    )
    assert table.groupings == {
        "gender": {"Ann": "female", "Bob": "male"},
        "born in": {"Ann": "1970s", "Bob": ""},
    }


def test_what_a_spreadsheet_writes(tmp_path):
    """A byte-order mark, Windows' line ends, quotes."""
    text = '\ufeffphoto,light\r\n"Ann/1, old.jpg","dark, but for a ""lamp"""\r\n'
    table = read(tmp_path, text)
    assert table.of == "photo"
    assert table.groupings == {"light": {"Ann/1, old.jpg": 'dark, but for a "lamp"'}}


def test_groups_are_those_of_the_photos_asked_for_in_natural_order():
    cells = {"Ann": "10+", "Bob": "2", "Cid": "", "Dan": "2", "Eve": "9"}
    own = members(cells, ["Bob", "Ann", "Cid", "Ann", "Fay", "Dan"])
    assert own.names == ["2", "10+"]
    assert own.codes.tolist() == [0, 1, -1, 1, -1, 0]
    assert (own.num_empty, own.num_missing) == (1, 1)


def test_names_are_found_in_another_spelling():
    own = members({"Jose\u0301": "1", "Ann": "2"}, ["José", "Ann ", "Jose"])
    assert own.codes.tolist() == [0, 1, -1]


MANY = "".join(f"P{n},{n}\n" for n in range(MAX_GROUPS + 1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "its first column is '', not person or photo"),
        ("Ann,female\n", "its first column is 'Ann', not person or photo"),
        ("person;gender\nAnn;f\n", "'person;gender', .* separate by commas"),
        ("person\nAnn\n", "no column of groups beside person"),
        ("person,gender\n", "no person in it"),
        ("person,,gender\nAnn,1,f\n", "a column without a name"),
        ("person,age,age\nAnn,1,2\n", "two columns age"),
        ("person,gender\nAnn\n", "line 2: 1 cells, where the first line names 2"),
        ("person,gender\nAnn,f,m\n", "line 2: 3 cells"),
        ("person,gender\nAnn,f\n,m\n", "line 3: whose"),
        ("person,gender\nAnn,f\nBob,m\nAnn,f\n", "line 4: Ann is in line 2 already"),
        ("person,gender\nAnn,\nBob, \n", "all cells of column gender are empty"),
        ("person,age\n" + MANY, "column age has 21 groups, over 20"),
        ("person,age\nAnn," + "9" * 5_000, "of 5,000 letters, over 60"),
        ('person,gender\nAnn,"f\n', "line 2: unexpected end of data"),
        ("person,gender\nJos\u00e9,m\n".encode("latin-1"), "not UTF-8 text"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, text, said):
    with pytest.raises(InputError, match=r"groups\.csv.*" + said) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: No such file or directory"):
        read_group_table(tmp_path / "none.csv")
