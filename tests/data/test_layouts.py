"""Folders that plainly are not a sub-folder an identity are refused, and say why."""

import unicodedata

import pytest
from PIL import Image

from cl_facenet.data.folder import folder_source, gallery_photos, photos_below
from cl_facenet.errors import InputError

BOTH = pytest.mark.parametrize("read", [folder_source, gallery_photos])


def save(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name, "PNG")
    return root


def refused(read, root):
    with pytest.raises(InputError) as caught:
        read(root)
    assert str(caught.value).startswith(str(root))
    return str(caught.value)


@BOTH
@pytest.mark.parametrize(
    "splits",
    [
        ("train", "val"),
        ("Train", "Test"),
        ("training_set", "test_set"),
        ("train",),
        ("fold1", "fold2", "fold3"),
        ("lfw_train", "lfw_test"),
        ("gallery", "probes"),
        ("trainset", "testset"),
        ("TrainSet", "ValSet"),
        ("imagesTr", "imagesTs"),
    ],
)
def test_one_folder_a_split(read, splits, tmp_path):
    for split in splits:
        save(tmp_path, f"{split}/ann/1.png", f"{split}/bob/1.png")
    assert "one folder a split" in refused(read, tmp_path)
    assert f"{tmp_path / splits[0]}" in refused(read, tmp_path)
    assert len(photos_below(tmp_path).photos) == 2 * len(splits)  # names do not matter


@BOTH
def test_one_folder_a_split_of_photos(read, tmp_path):
    save(tmp_path, "train/1.png", "test/2.png")
    assert "one folder a split (test, train)" in refused(read, tmp_path)


def test_people_may_be_called_as_splits_are(tmp_path):
    save(tmp_path, "Val/1.png", "Dev_Patel/2004/1.png", "Set_Svanholm/old/1.png")
    assert len(folder_source(tmp_path).photos) == 3
    assert len(gallery_photos(tmp_path).photos) == 3


def test_somebody_is_called_val_and_has_albums(tmp_path):
    save(tmp_path, "ann/1.png", "bob/1.png", "Val/2004/1.png", "Val/2005/1.png")
    assert len(folder_source(tmp_path).photos) == 4


@BOTH
@pytest.mark.parametrize(
    "line",
    [
        "{n},{n:06}.jpg,{person}",
        '"{n:06}.jpg","{person}"',
        "{n:06} {person}",
        "{n:06}.JPG {person}",
        "images\\{n:06}.jpg;{person}",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("loose", [(), ("sample.jpg",)])
def test_lists_of_any_make(read, line, encoding, loose, tmp_path):
    save(tmp_path, *(f"img/{n:06}.jpg" for n in range(12)), *loose)
    lines = [line.format(n=n, person=f"n{n // 4}") for n in range(12)]
    (tmp_path / "list").write_text("\n".join(lines), encoding=encoding)
    assert "list says who is on which" in refused(read, tmp_path)


@BOTH
def test_identities_one_level_deeper(read, tmp_path):
    save(tmp_path, "people/ann/1.png", "people/bob/1.png")
    says = refused(read, tmp_path)
    assert f"2 folders below people: if those are the identities, give {tmp_path}/" in (
        says
    )


@BOTH
def test_many_identities_in_each_of_some_groups(read, tmp_path):
    groups = ("asian", "indian")
    for group in groups:
        save(tmp_path, *(f"{group}/{group}{number}/1.png" for number in range(20)))
    assert "40 folders below asian, indian" in refused(read, tmp_path)


@BOTH
def test_sub_folders_of_people_are_theirs(read, tmp_path):
    years = ("2004/1.png", "2005/1.png")
    save(tmp_path, *(f"{person}/{year}" for person in ("ann", "bob") for year in years))
    assert [photo.person for photo in read(tmp_path).photos] == ["ann"] * 2 + [
        "bob"
    ] * 2


LISTS = {
    "identity_CelebA.txt": "{} {}\n",
    "labels.csv": "{},{}\n",
    "list.tsv": "{1}\t{0}\n",
    "in folders.txt": "img/{} {}\n",
}


@BOTH
@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("place", ["img", "img/img", "."])
def test_all_photos_in_one_folder_beside_a_list(read, name, place, tmp_path):
    photos = [f"{number:06d}.jpg" for number in range(6)]
    save(tmp_path, *(f"{place}/{photo}" for photo in photos))
    lines = [LISTS[name].format(photo, i // 2) for i, photo in enumerate(photos)]
    (tmp_path / name).write_text("".join(lines))
    says = refused(read, tmp_path)
    assert f"all photos are in one folder, and {name} says who is on which" in says


def test_a_list_of_what_is_on_ann_s_photos_is_none_of_people(tmp_path):
    save(tmp_path, "ann/1.png", "ann/2.png")
    (tmp_path / "ann/captions.txt").write_text("1.png in May\n2.png in June\n")
    assert len(gallery_photos(tmp_path).photos) == 2


def test_a_single_identity_is_a_gallery_and_no_training(tmp_path):
    save(tmp_path, "ann/1.png", "ann/2.png")
    assert len(gallery_photos(tmp_path).photos) == 2
    assert "one identity, ann, and training takes two" in refused(
        folder_source, tmp_path
    )


def test_more_photos_beside_the_folders_than_in_them(tmp_path):
    save(tmp_path, "ann/1.png", "bob/1.png", "1.png", "2.png")
    assert folder_source(tmp_path).ignored == ["1.png", "2.png"]
    save(tmp_path, "3.png")
    assert "3 photos lie beside its sub-folders, which have 2" in refused(
        folder_source, tmp_path
    )


@BOTH
def test_a_photo_that_links_make_two_people_s(read, tmp_path):
    root = save(tmp_path / "people", "ann/1.png", "bob/1.png")
    (root / "anna").symlink_to("ann")
    assert "ann/1.png and anna/1.png are one photo, by a link" in refused(read, root)
    assert len(photos_below(root).photos) == 2
    assert photos_below(root).passed_over == ["anna/1.png"]


@pytest.mark.parametrize(
    "other", [unicodedata.normalize("NFD", "José"), "José ", " José"]
)
def test_two_folders_of_one_name(other, tmp_path):
    save(tmp_path, f"{other}/1.png", "José/1.png")
    if len({path.name for path in tmp_path.iterdir()}) == 1:
        pytest.skip("this file system takes both for one")
    says = refused(folder_source, tmp_path)
    assert "two folders of one name" in says
    assert r"'Jos\xe9'" in says


def test_a_gallery_s_people_may_be_links(tmp_path):
    save(tmp_path, "elsewhere/1.png", "people/bob.png")
    (tmp_path / "people/ann").symlink_to(tmp_path / "elsewhere")
    people = [photo.person for photo in gallery_photos(tmp_path / "people").photos]
    assert people == ["ann", "bob"]


def test_a_gallery_names_who_has_no_photo(tmp_path):
    save(tmp_path, "ann/1.png")
    (tmp_path / "bob").mkdir()
    assert gallery_photos(tmp_path).passed_over == ["bob/"]
