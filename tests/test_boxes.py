"""Boxes with labels: eight formats read alike, written and read again, and refused in a sentence if broken."""

import json
from pathlib import Path

import numpy as np
import pytest
from neocog.core.problem import DATA, USAGE, Problem
from neocog.core.sources.folder import FolderFiles
from neocog.vision.boxes.annotations import AnnotatedPicture, Annotations, Box
from neocog.vision.boxes.convert import convert
from neocog.vision.boxes.formats import FORMATS, BoxOptions, read
from neocog.vision.boxes.pictures import Located, PictureFiles, locate
from neocog.vision.boxes.rle import edges_of_mask, encoded, expanded, mask_of
from neocog.vision.boxes.voc import seem_one_based
from neocog.vision.boxes.yolo import names_in_yaml
from photos import png
from PIL import Image
from typer.testing import CliRunner

FORMATS_HERE = Path(__file__).parents[2] / "shared" / "data" / "formats"
SEVEN = ("pascalvoc", "coco/instances_default.json", "coco/instances_v2.json", "yolo", "labelme", "openimages", "cvat")
HEIGHT, WIDTH = 40, 60  # of the pictures that the tests make
BOXES = {
    "a.png": [Box("cat", 5, 6, 25, 30), Box("dog", 0, 0, 60, 40)],
    "b.png": [Box("dog", 10.5, 3.25, 20.75, 39.5)],
    "empty.png": [],
}


def shared(name: str) -> Path:
    if not (FORMATS_HERE / name).exists():
        pytest.skip(f"shared/data/formats/{name} is not here")
    return FORMATS_HERE / name


def boxes_of(path: Path, images: Path | None = None, required: bool = True, one_based: bool = False) -> Located:
    files, annotations, _ = read(str(path), BoxOptions(one_based=one_based))
    return locate(annotations, files if images is None else FolderFiles(str(images)), required)


def flat(located: Located, digits: int = 2) -> list[tuple[object, ...]]:
    """Every box with the name of its picture, in one order; and the names of pictures without boxes."""
    rows: list[tuple[object, ...]] = []
    for picture in located.annotations.pictures:
        name = Path(picture.name).name
        rows += [(name, box.label, *(round(edge, digits) for edge in box.edges)) for box in picture.boxes] or [(name,)]
    return sorted(rows, key=repr)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed, name in enumerate(BOXES):
        (folder / name).write_bytes(png(seed, (HEIGHT, WIDTH)))
    return folder


def written(tmp_path: Path, pictures: Path, format_name: str) -> Path:
    """The boxes of the tests in a format, with their pictures beside them."""
    annotated = [AnnotatedPicture(name, name, boxes, (HEIGHT, WIDTH)) for name, boxes in BOXES.items()]
    folder = tmp_path / format_name
    folder.mkdir()
    for path in pictures.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    FORMATS[format_name].write(Annotations(annotated, ["dog", "cat"]), folder)
    return folder


# --- reading --------------------------------------------------------------------------------------------------------


def test_seven_files_of_one_set_give_the_same_24_boxes():
    images = shared("voc-coco-yolo/images")
    expected = flat(boxes_of(shared("voc-coco-yolo/pascalvoc"), images))
    assert len(expected) == 24
    for name in SEVEN:
        located = boxes_of(shared(f"voc-coco-yolo/{name}"), images)
        assert located.annotations.flaws == []
        assert flat(located) == expected, name


@pytest.mark.parametrize("format_name", FORMATS)
def test_the_24_boxes_are_the_same_when_written_and_read_again(format_name, tmp_path):
    images = shared("voc-coco-yolo/images")
    source = shared("voc-coco-yolo/coco/instances_default.json")
    convert(str(source), tmp_path / "out", format_name, BoxOptions(images=str(images)))
    assert flat(boxes_of(tmp_path / "out", images)) == flat(boxes_of(source, images))


@pytest.mark.parametrize("format_name", FORMATS)
def test_written_boxes_are_read_as_they_were(format_name, tmp_path, pictures):
    """Fractions of pixels, boxes as large as the picture and pictures without boxes too."""
    folder = written(tmp_path, pictures, format_name)
    files, annotations, name = read(str(folder), BoxOptions())
    assert name == format_name
    rows = flat(locate(annotations, files), 3)
    expected = [(name, box.label, *box.edges) for name, boxes in BOXES.items() for box in boxes] + (
        [("empty.png",)] if format_name != "open-images" else []
    )  # which does not hold them
    assert rows == sorted(expected, key=repr)


def test_exports_of_label_studio_are_read_with_turned_boxes_and_polygons():
    read_as = {
        "yolo/data.json": (2, 4), "yolo/data_obb.json": (3, 25), "yolo/data_polygons.json": (1, 1),
        "json_min/data.json": (1, 1),
    }  # fmt: skip
    for name, (count, boxes) in read_as.items():
        located = boxes_of(shared(f"label-studio/{name}"), required=False)
        assert len(located.annotations.pictures) == count
        assert located.annotations.flaws[:1] == [] or "no pictures" in located.annotations.flaws[0].reason
        _, annotations, _ = read(str(shared(f"label-studio/{name}")), BoxOptions())
        assert sum(len(picture.boxes) for picture in annotations.pictures) == boxes
    located = boxes_of(shared("label-studio/yolo_tree"))
    assert [len(picture.boxes) for picture in located.annotations.pictures] == [4, 4]
    assert located.annotations.label_order[:2] == ["closed_door", "opened_door"]


def test_the_pictures_of_an_export_that_are_elsewhere_are_named():
    located = boxes_of(shared("label-studio/yolo/data.json"))
    flaw = located.annotations.flaws[0]
    assert flaw.file.endswith("data.json, task 1")
    assert flaw.reason.startswith("names the picture image1, which does not exist; ")


def test_shapes_of_one_group_are_one_object_and_what_is_ignored_is_counted():
    located = boxes_of(shared("labelme-polygons"))
    labels = [[box.label for box in picture.boxes] for picture in located.annotations.pictures]
    assert labels == [["person", "person", "bottle"], ["bus", "bus", "car"]]
    assert located.remarks() == ["left out shapes that are no objects: 1 __ignore__"]


def test_the_blood_cells_keep_their_splits_and_their_oddities():
    located = boxes_of(Path(shared("..")) / "vision" / "bccd")
    splits = [picture.split for picture in located.annotations.pictures]
    assert [splits.count(split) for split in ("train", "valid", "test")] == [205, 87, 36]
    assert len(located.empty) == 2 and located.annotations.flaws == []


def test_a_turned_rectangle_becomes_the_box_around_it(tmp_path):
    """10×10 per cent of a picture twice as wide as high, turned by 90 degrees about its upper left corner."""
    value = {"x": 50, "y": 50, "width": 10, "height": 10, "rotation": 90, "rectanglelabels": ["a"]}
    result = {"type": "rectanglelabels", "original_width": 200, "original_height": 100, "value": value}
    (tmp_path / "export.json").write_text(
        json.dumps(
            [{"id": 1, "data": {"image": "/data/local-files/?d=x/1.jpg"}, "annotations": [{"result": [result]}]}]
        )
    )
    (picture,) = boxes_of(tmp_path / "export.json", required=False).annotations.pictures
    assert picture.name == "x/1.jpg"
    assert picture.boxes == [Box("a", 90, 50, 100, 70)]  # 20 wide and 10 high, before


def test_coco_takes_boxes_from_polygons_and_masks(tmp_path, pictures):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[3:9, 10:25] = True
    values = {
        "images": [{"id": 7, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 90, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "segmentation": [[1, 2, 5, 2, 5, 9], [8, 2, 9, 2, 9, 3]]},
            {"id": 2, "image_id": 7, "category_id": 90, "segmentation": encoded(mask), "iscrowd": 1},
        ],
    }
    (pictures / "coco.json").write_text(json.dumps(values))
    (picture,) = boxes_of(pictures / "coco.json").annotations.pictures
    assert picture.boxes == [Box("cat", 1, 2, 9, 9), Box("cat", 10, 3, 25, 9, crowd=True)]


def test_run_lengths_are_those_of_pycocotools():
    mask_tools = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((int(rng.integers(1, 40)), int(rng.integers(1, 40)))) < rng.random()
        compressed = mask_tools.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = compressed["counts"].decode()
        assert expanded(text) == encoded(mask)["counts"]
        assert (mask_of({"size": list(mask.shape), "counts": text}) == mask).all()
        if mask.any():
            left, top, width, height = mask_tools.toBbox(compressed).tolist()
            assert edges_of_mask(mask) == (left, top, left + width, top + height)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("nc: 2\nnames: [cat, 'big dog']\n", ["cat", "big dog"]),
        ("names:\n  0: cat\n  1: dog\nnc: 2\n", ["cat", "dog"]),
        ('names:\n- cat\n- "dog"  # comment\ntrain: images\n', ["cat", "dog"]),
        ("names: {0: cat, 1: dog}\n", ["cat", "dog"]),
        ("path: x\nnames: ['cat',\n  'dog']\n", ["cat", "dog"]),
        ("nc: 2\n", []),
    ],
)
def test_the_names_of_classes_are_read_from_data_yaml(text, names):
    assert names_in_yaml(text) == names


def test_yolo_labels_of_several_folders_find_their_pictures(tmp_path):
    for split, name in (("train", "x"), ("val", "x"), ("val", "y")):
        for folder in (tmp_path / "images" / split, tmp_path / "labels" / split):
            folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / split / f"{name}.png").write_bytes(png(0, (HEIGHT, WIDTH)))
        (tmp_path / "labels" / split / f"{name}.txt").write_text("" if name == "y" else "0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "images" / "val" / "z.png").write_bytes(png(1, (HEIGHT, WIDTH)))
    (tmp_path / "data.yaml").write_text("names: [cat]\n")
    located = boxes_of(tmp_path)
    rows = [(picture.name, picture.split, len(picture.boxes)) for picture in located.annotations.pictures]
    assert rows == [
        ("images/train/x.png", "train", 1),
        ("images/val/x.png", "valid", 1),
        ("images/val/y.png", "valid", 0),
    ]
    assert located.remarks() == ["left out 1 picture that no annotation is about: images/val/z.png"]


def test_one_based_corners_are_shifted_and_suspected(tmp_path, pictures):
    folder = written(tmp_path, pictures, "voc")
    (picture, *_) = boxes_of(folder, one_based=True).annotations.pictures
    assert picture.boxes[0] == Box("cat", 4, 5, 25, 30)
    ones = [Box("cat", 1, 1, WIDTH, HEIGHT), Box("cat", 1, 7, 9, 9)]
    assert seem_one_based([AnnotatedPicture("a", "a", ones, (HEIGHT, WIDTH))])
    assert not seem_one_based([AnnotatedPicture("a", "a", [*ones, Box("cat", 0, 3, 9, 9)], (HEIGHT, WIDTH))])


def test_pictures_are_found_by_path_name_and_stem(tmp_path):
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", "3.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    found = PictureFiles(FolderFiles(str(tmp_path))).find
    assert found("a/1.jpg") == "a/1.jpg" and found("C:\\photos\\b\\1.jpg") == "b/1.jpg"
    assert found("1.jpg") is None  # there are two
    assert found("somewhere/2.jpg") == "b/2.jpg" and found("2") == "b/2.jpg" and found("a5ef7e93-3.jpg") == "3.jpg"
    assert found("4.jpg") is None


def test_boxes_beyond_the_border_are_cut_off_and_remarked(pictures):
    rows = ["filename,class,xmin,ymin,xmax,ymax", "a.png,cat,-5,0,20,20", "a.png,cat,3,3,3,9", "b.png,cat,70,3,80,9"]
    rows += ["empty.png,cat,1,1,9,9", "empty.png,cat,1,1,9,9"]
    (pictures / "boxes.csv").write_text("\n".join(rows))
    located = boxes_of(pictures)
    assert [len(picture.boxes) for picture in located.annotations.pictures] == [1, 0, 2]
    assert located.annotations.pictures[0].boxes == [Box("cat", 0, 0, 20, 20)]
    assert located.remarks() == [
        "a.png: boxes that reach beyond the picture, which were cut off at its border",
        "a.png, b.png: boxes of no size within the picture, which were left out",
        "empty.png: the same box twice",
    ]


# --- broken files ---------------------------------------------------------------------------------------------------

BROKEN = [
    ("coco", "annotations.json", '"image_id": 1', '"image_id": 99', "annotation 1 names the image 99, which is not"),
    ("coco", "annotations.json", '"category_id": 2', '"category_id": 5', "annotation 1, which names the category 5"),
    ("coco", "annotations.json", '"bbox": [5, 6', '"bbox": [NaN, 6', "annotation 1, which has the x nan; expected"),
    ("coco", "annotations.json", '"bbox": [5, 6', '"bbox": ["5,5", 6', "has the x '5,5'; expected a number with a"),
    ("coco", "annotations.json", '[5, 6, 20, 24], "area": 480, "iscrowd": 0, "segmentation": []',
     '[], "area": 480, "iscrowd": 0, "segmentation": [[1, 1, 2, 2]]', "annotation 1, which is a polygon of 2 points"),
    ("coco", "annotations.json", '"file_name": "a.png"', '"file_name": "q.png"', "image 1 names the picture q.png"),
    ("coco", "annotations.json", f'"width": {WIDTH}', '"width": 61', "says 61×40 pixels, and a.png has 60×40"),
    ("coco", "annotations.json", '"id": 2, "file_name"', '"id": 1, "file_name"', "two images have the id 1"),
    ("coco", "annotations.json", '{"images"', '{"images', "annotations.json is no JSON: "),
    ("voc", "Annotations/a.xml", "<xmin>5<", "<xmin>nan<", "a.xml has object 1, which has the xmin nan; expected"),
    ("voc", "Annotations/a.xml", "<xmin>5<", "<xmin>5,5<", "object 1, which has the xmin '5,5'; expected a number"),
    ("voc", "Annotations/a.xml", "a.png", "q.png", "a.xml names the picture Annotations/q.png, which does not exist"),
    ("voc", "Annotations/a.xml", "</annotation>", "", "a.xml is no XML: "),
    ("voc", "Annotations/a.xml", "<name>cat</name>", "<name />", "object 1, which has the label ''; expected a text"),
    ("voc", "Annotations/a.xml", "<xmin>5<", "<xmin>35<", "has a box of cat that ends before it begins: "),
    ("yolo", "labels/a.txt", "1 0.25", "4 0.25", "line 1, which has the class 4, and data.yaml names 2, 0 to 1"),
    ("yolo", "labels/a.txt", "1 0.25", "1 0,25", "line 1, which has the value '0,25'; expected a number with a point"),
    ("yolo", "labels/a.txt", "1 0.25", "1 nan", "line 1, which has the value nan; expected a finite number"),
    ("yolo", "labels/a.txt", "1 0.25", "1 25", "line 1, which has the value 25; expected fractions of the picture"),
    ("yolo", "labels/a.txt", "1 0.25 0.45 0.333333333 0.6", "1 0.2", "has 2 values; expected class, x, y, width"),
    ("yolo", "labels/a.txt", "1 0.25 0.45 0.333333333 0.6", "1 .1 .1 .2 .2 .3 .3 .4", "is the polygon"),
    ("yolo", "data.yaml", "nc: 2", "nc: 3", "data.yaml has nc: 3 and 2 names; expected as many names"),
    ("csv", "boxes.csv", "a.png,40,60,cat,5", "a.png,40,60,cat,nan", "the box of line 2, which has the left nan"),
    ("csv", "boxes.csv", "a.png,40,60,cat,5", 'a.png,40,60,cat,"5,5"', "the box of line 2, which has the left '5,5'"),
    ("csv", "boxes.csv", "a.png,40,60,cat,5", "q.png,40,60,cat,5", "boxes.csv:2 names the picture q.png, which does"),
    ("csv", "boxes.csv", "a.png,40,60,cat,5", "a.png,40,60,,5", "the box of line 2, which has the label ''"),
    ("csv", "boxes.csv", "xmin", "first", "no column for left"),
    ("labelme", "a.json", '"cat"', '""', "a.json has shape 1, which has the label ''; expected a text"),
    ("labelme", "a.json", '"rectangle"', '"polygon"', "shape 1, which is a polygon of 2 points; expected at least 3"),
    ("labelme", "a.json", '"rectangle"', '"spline"', "shape 1, which is of the kind spline; expected a rectangle"),
    ("labelme", "a.json", '"a.png"', '"q.png"', "a.json names the picture q.png, which does not exist"),
    ("label-studio", "tasks.json", '"rotation": 0', '"rotation": NaN', "task 1 has result 1, which has the rotation"),
    ("label-studio", "tasks.json", '"cat"', "", "task 1 has result 1, which has no label"),
    ("label-studio", "tasks.json", '"image": "a.png"', '"image": "q.png"', "task 1 names the picture q.png, which"),
    ("label-studio", "tasks.json", '"type": "rectanglelabels"', '"type": "brushlabels"', "is a mask of a brush"),
    ("cvat", "annotations.xml", 'xtl="5"', 'xtl="5,5"', "image 0 has shape 1, which has the xtl '5,5'"),
    ("cvat", "annotations.xml", 'xtl="5"', 'xtl="inf"', "image 0 has shape 1, which has the xtl inf"),
    ("cvat", "annotations.xml", 'name="a.png"', 'name="q.png"', "image 0 names the picture q.png, which"),
    ("cvat", "annotations.xml", "<annotations>", "<annotations><track/>", "holds tracks of a video; expected CVAT's"),
    ("open-images", "boxes.csv", "a.png,,cat,1,0.08", "q.png,,cat,1,0.08", "boxes.csv:2 names the picture q.png"),
    ("open-images", "boxes.csv", "a.png,,cat,1,0.08", "a.png,,cat,1,8.", "which has the value 8.33333"),
    ("open-images", "boxes.csv", "a.png,,cat,1,0.08", "a.png,,cat,1,x0.08", "line 2, which has the XMin 'x0.08"),
]  # fmt: skip


@pytest.mark.parametrize(("format_name", "file", "old", "new", "message"), BROKEN)
def test_a_broken_entry_is_refused_by_file_and_entry(format_name, file, old, new, message, tmp_path, pictures):
    folder = written(tmp_path, pictures, format_name)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(Problem) as problem:
        convert(str(folder), tmp_path / "out", "coco", BoxOptions(images=str(folder)))
    assert message in str(problem.value) and problem.value.code == DATA
    assert not (tmp_path / "out").exists()


def test_files_of_two_formats_and_of_none_are_refused(tmp_path, pictures):
    folder = written(tmp_path, pictures, "csv")
    with pytest.raises(Problem, match="holds no annotations of boxes; expected one of COCO JSON, Pascal VOC, YOLO"):
        read(str(pictures), BoxOptions())
    (folder / "coco.json").write_text('{"images": [], "annotations": [], "categories": []}')
    with pytest.raises(Problem, match=r"holds CSV of boxes \(boxes.csv\) and COCO JSON \(coco.json\)") as problem:
        read(str(folder), BoxOptions())
    assert problem.value.code == USAGE
    assert read(str(folder), BoxOptions("csv"))[2] == "csv"
    with pytest.raises(Problem, match=r"yool is not a format of boxes \(did you mean yolo\?\)"):
        read(str(folder), BoxOptions("yool"))


def test_an_xml_file_with_entities_is_not_read(tmp_path):
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotation><filename>&b;</filename></annotation>')
    with pytest.raises(Problem, match=r"a.xml declares entities|declares entities, which no annotation needs"):
        convert(str(tmp_path), tmp_path / "out", "coco", BoxOptions())


# --- the command ----------------------------------------------------------------------------------------------------


def run(*arguments: object):
    from neocog.cli import app

    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_converts_and_names_its_files(tmp_path, pictures):
    folder = written(tmp_path, pictures, "label-studio")
    result = run("convert-labels", folder, tmp_path / "out", "--to", "voc")
    assert result.exit_code == 0
    assert result.stdout == f"read Label Studio: 3 boxes of 2 labels in 3 pictures; wrote 3 files to {tmp_path}/out\n"
    result = run("convert-labels", tmp_path / "out", tmp_path / "again", "--to", "csv", "--images", pictures, "--json")
    document = json.loads(result.stdout)
    assert document["format"] == "voc" and document["boxes"] == 3 and document["labels"] == ["cat", "dog"]
    assert isinstance(run("convert-labels", folder, tmp_path / "out", "--to", "csv").exception, Problem)


def test_what_a_format_cannot_hold_is_said(tmp_path, pictures):
    boxes = [Box("cat", 1, 1, 9, 9, crowd=True)]
    FORMATS["coco"].write(Annotations([AnnotatedPicture("a.png", "a", boxes, (HEIGHT, WIDTH))]), pictures)
    converted = convert(str(pictures), tmp_path / "out", "yolo", BoxOptions())
    assert "yolo does not mark crowds: 1 of them are written as other boxes are" in converted.remarks
