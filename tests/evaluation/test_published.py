import numpy as np
import pytest

from cl_facenet.errors import InputError
from cl_facenet.evaluation.published import read_curve


@pytest.fixture
def write(tmp_path):
    def write(text, name="eigenfaces.original-roc.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "0 0\n0.1 0.5\n0.4 0.9\n1 1\n",
        "0 0\n0.5 0.1\n0.9 0.4\n1 1\n",  # TPR first
        "1 1\n0.9 0.4\n0.5 0.1\n0 0\n",  # strict thresholds last
        "0.4 0.9\n0 0\n1 1\n0.1 0.5\n",  # in no order
        "\ufeff# fpr tpr\r\n\r\n 0.0\t0.0 # start\r\n1e-1  .5\r\n0.4 0.9\r\n1 1",
    ],
    ids=["fpr first", "tpr first", "descending", "unsorted", "comments"],
)
def test_one_curve_in_many_spellings(write, text):
    curve = read_curve(write(text))
    assert curve.name == "eigenfaces.original-roc"
    np.testing.assert_array_equal(curve.fpr, [0, 0.1, 0.4, 1])
    np.testing.assert_array_equal(curve.tpr, [0, 0.5, 0.9, 1])


def test_points_of_one_rate_go_up(write):
    curve = read_curve(write("0.1 0.7\n0.1 0.4\n0.1 0.6\n"))
    np.testing.assert_array_equal(curve.tpr, [0.4, 0.6, 0.7])


def test_a_curve_may_dip_below_chance_by_a_few_pairs(write):
    # The very nearest pair may be of different people.
    curve = read_curve(write("0 0.0003\n0.5 0.1\n0.9 0.4\n"))
    np.testing.assert_array_equal(curve.fpr, [0.0003, 0.1, 0.4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0\n\nhalf 0.5\n", ":3: not two numbers: 'half 0.5'"),
        ("0 0\n0.5\n", ":2: not two numbers: '0.5'"),
        ("0 0 0\n", ":1: not two numbers: '0 0 0'"),
        ("0 0\n0.1,0.5\n", ":2: not two numbers: '0.1,0.5'"),
        ("\x00\x01 \ufffd\n", ":1: not two numbers: "),
        ("0 0\n10 50\n", ":2: not rates from 0 to 1: '10 50'"),
        ("0 -0.1\n", ":1: not rates from 0 to 1"),
        ("0 nan\n", ":1: not rates from 0 to 1"),
        ("0.1 0.5\n0.2 0.7\n0.8 0.3\n", ":3: the false positive rate is the greater"),
        ("", ": no points of an ROC curve"),
        ("# nothing\n\n", ": no points of an ROC curve"),
    ],
)
def test_one_line_errors(write, text, message):
    path = write(text, "curve.txt")
    with pytest.raises(InputError) as error:
        read_curve(path)
    assert str(error.value).startswith(f"{path}{message}")
    assert len(str(error.value).splitlines()) == 1


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: No such file or directory$"):
        read_curve(tmp_path / "none.txt")
    with pytest.raises(InputError, match=r": Is a directory$"):
        read_curve(tmp_path)
