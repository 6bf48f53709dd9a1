"""The summary's rows and totals."""

import io

from rich.console import Console

from cl_facenet.models.facenet import create_model
from cl_facenet.summary import summarize


def lines_of(num_classes):
    model = create_model("nn4.small2", "openface", 128, 16.0, num_classes)
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(summarize(model, 96))
    rows = (line.strip("│ ").split("│") for line in console.export_text().splitlines())
    return [[cell.strip() for cell in row] for row in rows if len(row) == 3]


def test_every_layer_is_a_row_in_the_order_it_is_called():
    rows = lines_of(7)
    names = [row[0] for row in rows]
    assert rows[0] == ["trunk/stem_7x7/conv", "[1, 48, 48, 64]", "9,472"]
    assert rows[1] == ["trunk/stem_7x7/bn", "[1, 48, 48, 64]", "128"]
    assert [
        "trunk/inception_3b/branch_pool/project/conv",
        "[1, 10, 10, 64]",
        "16,448",
    ] in rows
    assert names.index("trunk/inception_3a/branch_5x5/expand/conv") < names.index(
        "trunk/inception_5b/branch_1x1/conv"
    )
    assert rows[-8:-5] == [
        ["embedding", "[1, 128]", "94,336"],
        ["logits", "[1, 7]", "903"],
        ["centers", "[7, 128]", "896"],
    ]


def test_the_totals_for_lfw_s_people():
    """5,749 classes: 128 * 5749 * 2 + 5749 numbers beside the network's."""
    assert lines_of(5_749)[-5:] == [
        ["trunk + embedding", "", "3,733,968"],
        ["head (logits)", "", "741,621"],
        ["centers", "", "735,872"],
        ["batch statistics", "", "9,312"],
        ["total", "", "5,220,773"],
    ]


def test_the_rows_add_up():
    rows = lines_of(7)
    numbers = [int(row[2].replace(",", "")) for row in rows]
    layers, (body, head, centers, _, _) = numbers[:-5], numbers[-5:]
    assert sum(layers) == body + head + centers
