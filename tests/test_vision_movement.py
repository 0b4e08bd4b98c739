"""Movement: masks and boxes move with the pixels of their pictures."""

import pytest
import torch
from neocog.core.domain import Augment
from neocog.core.problem import Problem
from neocog.vision.augment import FUNCTIONS, LOOKUPS, WARPS, augment, compose, compose_moving
from neocog.vision.movement import Movement
from torch import Tensor

IGNORE = 255
LOOKUP = ["flip", "flipud", "crop(3)", "flip, flipud, crop(4)"]
WARPED = ["rotate(180)", "translate(0.2)", "scale(0.3)", "skew", "perspective", ", ".join(f.__name__ for f in WARPS)]
MOVING = [*LOOKUP, *WARPED, "flip, flipud, crop(3), rotate(40), scale, translate"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def discs(count: int, height: int, width: int) -> Tensor:
    """(count, height, width) masks of class 1 in a disc and class 2 in another, on class 0."""
    rng = generator(7)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    masks = torch.zeros(count, height, width, dtype=torch.uint8)
    for mask in masks:
        for label in (1, 2):
            cy, cx = (torch.rand(2, generator=rng) * torch.tensor([height, width])).tolist()
            mask[(y - cy) ** 2 + (x - cx) ** 2 < (height / 4) ** 2] = label
    return masks


def pictures_of(masks: Tensor) -> Tensor:
    """(B, 3, H, W) pictures drawn from masks: a channel for each class, 255 where it is."""
    return torch.stack([(masks == label).float() * 255 for label in range(3)], 1)


@pytest.mark.parametrize("text", MOVING)
def test_the_moved_mask_is_the_mask_of_the_moved_picture(text: str) -> None:
    """Wherever the four pixels that a new one is interpolated from are of one class, it has that class."""
    masks = discs(16, 40, 56)
    moved, movement = compose_moving(text)(pictures_of(masks), generator(3))
    new = movement.masks(masks, IGNORE)
    assert new.shape == masks.shape and new.dtype == masks.dtype
    inside = new != IGNORE
    sure = (moved.amax(1) > 254.9) & inside
    assert torch.equal(moved.argmax(1)[sure].to(torch.uint8), new[sure])
    assert sure.sum() > 0.75 * inside.sum()  # all but edges between classes


@pytest.mark.parametrize("text", LOOKUP)
def test_whole_pixels_move_exactly(text: str) -> None:
    """Inside the old borders every pixel of the mask is the pixel of the picture."""
    masks = torch.randint(0, 200, (12, 9, 13), dtype=torch.uint8, generator=generator(1))
    moved, movement = compose_moving(text)(masks[:, None], generator(2))
    new = movement.masks(masks, IGNORE)
    inside = new != IGNORE
    assert torch.equal(moved[:, 0][inside], new[inside])
    assert inside.all() == ("crop" not in text)


@pytest.mark.parametrize("text", MOVING)
def test_a_box_holds_its_moved_object(text: str) -> None:
    """The box around an object, moved, holds every pixel of the moved object."""
    masks = torch.zeros(40, 48, 64, dtype=torch.uint8)
    masks[:, 18:30, 22:45] = 1
    _, movement = compose_moving(text)(masks[:, None], generator(5))
    boxes, share = movement.boxes(torch.tensor([[[22.0, 18.0, 45.0, 30.0]]]).expand(40, -1, -1), (48, 64))
    assert boxes.shape == (40, 1, 4) and share.shape == (40, 1)
    assert (share >= 0).all() and (share <= 1.0001).all()
    for new, (x1, y1, x2, y2) in zip(movement.masks(masks, 0), boxes[:, 0].tolist(), strict=True):
        rows, columns = new.nonzero().T
        if len(rows):
            assert x1 - 0.51 <= columns.min() and columns.max() + 1 <= x2 + 0.51
            assert y1 - 0.51 <= rows.min() and rows.max() + 1 <= y2 + 0.51


@pytest.mark.parametrize("text", LOOKUP)
def test_a_box_moved_by_whole_pixels_is_the_box_around_the_object(text: str) -> None:
    masks = torch.zeros(30, 24, 32, dtype=torch.uint8)
    masks[:, 9:15, 11:20] = 1
    _, movement = compose_moving(text)(masks[:, None], generator(5))
    boxes, share = movement.boxes(torch.tensor([[[11.0, 9.0, 20.0, 15.0]]]).expand(30, -1, -1), (24, 32))
    for new, box in zip(movement.masks(masks, 0), boxes[:, 0], strict=True):
        rows, columns = new.nonzero().T
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert torch.equal(share, torch.ones(30, 1))


def test_the_share_of_a_box_that_remains_is_known() -> None:
    """A box that a shift moves half out of the picture keeps half of its area; one that has left it keeps none."""
    shift = torch.eye(3).repeat(1, 1, 1)
    shift[:, 0, 2] = 10  # new (x) is read from old x + 10: all moves left by 10
    boxes, share = Movement(matrix=shift).boxes(
        torch.tensor([[[0.0, 0, 20, 8], [1, 1, 9, 5], [30, 2, 30, 4]]]), (16, 40)
    )
    assert boxes[0, 0].tolist() == [0, 0, 10, 8]
    assert share.tolist() == [[0.5, 0.0, 0.0]]


@pytest.mark.parametrize("text", MOVING)
def test_points_follow_their_pixels(text: str) -> None:
    """The centre of a pixel goes where the mask of that pixel goes."""
    masks = torch.zeros(20, 31, 41, dtype=torch.uint8)
    masks[:, 14:17, 20:23] = 1
    _, movement = compose_moving(text)(masks[:, None], generator(8))
    x, y = movement.points(torch.full((20, 1), 21.5), torch.full((20, 1), 15.5), (31, 41))
    for new, column, row in zip(movement.masks(masks, 0), x[:, 0].tolist(), y[:, 0].tolist(), strict=True):
        rows, columns = (new == 1).nonzero().T
        if len(rows) and rows.min() > 0 and rows.max() < 30 and columns.min() > 0 and columns.max() < 40:
            assert abs(float(columns.float().mean()) + 0.5 - column) < 0.8
            assert abs(float(rows.float().mean()) + 0.5 - row) < 0.8


def test_transforms_that_move_nothing_leave_targets_alone() -> None:
    masks = discs(4, 12, 12)
    _, movement = compose_moving("light, noise, cutout(3), vignette")(pictures_of(masks), generator())
    assert movement == Movement() and movement.masks(masks, IGNORE) is masks
    boxes = torch.tensor([[[1.0, 2, 5, 6]]]).expand(4, -1, -1)
    assert torch.equal(movement.boxes(boxes, (12, 12))[0], boxes)


def test_every_transform_is_of_one_kind() -> None:
    """Each function of the language stands in one list, so that none moves pixels and leaves targets."""
    moving = {function.__name__ for function in (*LOOKUPS, *WARPS)}
    assert moving == {"flip", "flipud", "crop", "translate", "scale", "skew", "rotate", "perspective"}
    assert set(FUNCTIONS) - moving == {"light", "vignette", "noise", "cutout"}


@pytest.mark.parametrize("text", ["flip, crop(2), rotate, light", "none"])
def test_moving_targets_changes_no_picture(text: str) -> None:
    """With the same generator, pictures are the same whether targets move or not."""
    x, masks = pictures_of(discs(6, 16, 16)), discs(6, 16, 16)
    moving = augment(text, {}).moving(lambda targets, movement: movement.masks(targets, IGNORE))
    moved, new = moving.inputs(x, masks, generator(4))
    assert torch.equal(moved, compose(text)(x, generator(4)))
    assert torch.equal(new, compose_moving(text)(x, generator(4))[1].masks(masks, IGNORE))


def test_an_augmentation_without_movement_is_refused_for_targets_with_places() -> None:
    plain = Augment(lambda x, targets, rng: (x, targets))
    with pytest.raises(Problem, match=r"does not move masks, .*; leave out .*, or give --augment none"):
        plain.moving(lambda targets, movement: targets)
    assert Augment().moving(lambda targets, movement: targets) == Augment()
