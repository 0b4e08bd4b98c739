"""The recipes against torchvision's models, torch's own counter and the numbers of the field."""

from pathlib import Path

import pytest
import torch
from neocog.core.network import Network, parse
from neocog.core.problem import DATA, Problem
from neocog.core.settings import Settings
from neocog.vision.augment import changes
from neocog.vision.models import RECIPES
from neocog.vision.weights import layers, weights
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

torchvision = pytest.importorskip("torchvision")

PHOTOS = ["alexnet", "googlenet", "resnet18", "resnet50", "vgg16"]
PARAMETERS = {"keras-digits": 137_660, "lenet5": 431_080, "mlp": 669_706}  # 10 labels, 1×28×28; for mlp by hand:
assert PARAMETERS["mlp"] == (784 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10


def network(name: str, classes: int | None = None) -> Network:
    """The recipe with its own picture size: 1,000 labels for photos, 10 for digits."""
    photo = name in (*PHOTOS, "efficientnet-lite0")
    side = RECIPES[name].options.get("size", 28)
    return Network((3 if photo else 1, side, side), RECIPES[name].layers(classes or (1000 if photo else 10)))


def theirs(name: str, **options: object) -> nn.Module:
    """torchvision's model, evaluating, as shapes without numbers."""
    if name == "googlenet":
        options = {"init_weights": False, **options}
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision.models, name)(weights=None, **options)
    return model.eval()


def random_state(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Numbers for every key, also the running statistics of norms, that keep activations near 1 in size."""
    rng, state = torch.Generator().manual_seed(seed), {}
    for key, value in model.state_dict().items():
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif value.dim() > 1:
            state[key] = torch.randn(value.shape, generator=rng).mul_((2 / value[0].numel()) ** 0.5)
        elif key.endswith("running_var"):
            state[key] = torch.rand(value.shape, generator=rng) + 1
        else:  # biases, scales of norms, running means
            state[key] = torch.randn(value.shape, generator=rng) * 0.1 + (key.endswith(".weight"))
    return state


def built(name: str, classes: int | None = None) -> nn.Sequential:
    """Our module, evaluating, every number zero: what the file does not fill would show."""
    with torch.device("meta"):
        module = network(name, classes).module()
    module = module.to_empty(device="cpu").eval()
    for value in module.state_dict().values():
        value.zero_()
    return module


def saved(state: dict[str, Tensor], file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file)
    return file


@pytest.mark.parametrize("name", RECIPES)
def test_multiplications_agree_with_torchs_own_counter(name: str) -> None:
    found = network(name)
    with torch.device("meta"):
        module, x = found.module().eval(), torch.empty(1, *found.input)
    with FlopCounterMode(display=False) as counter:
        module(x)
    assert found.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", RECIPES)
def test_text_and_back(name: str) -> None:
    found = network(name)
    assert parse(str(found)) == found.layers


@pytest.mark.parametrize("name", RECIPES)
def test_there_is_a_score_for_each_label(name: str) -> None:
    assert network(name, 7).output == (7,)


@pytest.mark.parametrize("name", RECIPES)
def test_settings_and_augmentation_can_be_read(name: str) -> None:
    """A recipe's settings are names and values that training knows, its augmentation words that vision knows."""
    changes(Settings().changed(RECIPES[name].settings).augment)


@pytest.mark.parametrize("name", PARAMETERS)
def test_known_numbers_of_parameters(name: str) -> None:
    assert network(name).parameters == PARAMETERS[name]


def test_the_lectures_sizes() -> None:
    """25×26×26, 25×13×13, 50×11×11, 50×5×5 and 1,250, as the lectures print them."""
    rows = [row for row in network("keras-digits").rows if str(row.layer) != "relu"]
    assert [row.output for row in rows][:5] == [(25, 26, 26), (25, 13, 13), (50, 11, 11), (50, 5, 5), (1250,)]


def test_an_mlp_has_the_depth_and_units_asked_for() -> None:
    assert ", ".join(map(str, RECIPES["mlp"].layers(3, units=7, depth=1))) == "flatten, dense(7), relu, dense(3)"


@pytest.mark.parametrize("name", PHOTOS)
def test_parameters_are_as_many_as_torchvisions(name: str) -> None:
    counts = [value.numel() for key, value in theirs(name).named_parameters() if not key.startswith("aux")]
    assert network(name).parameters == sum(counts)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "vgg16" else n for n in PHOTOS])
def test_it_computes_what_torchvision_computes(name: str, ending: str, tmp_path: Path) -> None:
    """From the same file of random weights and the same random picture: largest difference below 1e-4 of the answers'
    deviation, which the weights keep near 1."""
    model = theirs(name)
    state = random_state(model)
    model.load_state_dict(state, assign=True)
    module = built(name)
    assert weights(module, saved(state, tmp_path / f"{name}{ending}")) == []
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, found = model(x), module(x)
    assert 0.1 < expected.std() < 100
    assert (found - expected).abs().max() < 1e-4 * max(1.0, float(expected.std()))


@pytest.mark.parametrize("name", PHOTOS)
def test_the_order_of_layers_is_read_from_their_names(name: str) -> None:
    """Sorted as safetensors sorts them, or turned round, the layers come in the order torchvision builds them in."""
    state = {key: value for key, value in theirs(name).state_dict().items() if not key.startswith("aux")}
    built_order = list(dict.fromkeys(key.rpartition(".")[0] for key in state))
    for shuffled in (sorted(state), reversed(list(state))):
        assert list(layers({key: state[key] for key in shuffled}, Path("file"))) == built_order


def test_files_from_before_batches_were_counted_load(tmp_path: Path) -> None:
    """torchvision's oldest files have no num_batches_tracked, and a norm's running statistics before its weights."""
    state = random_state(theirs("resnet18"))
    counted, old = built("resnet18"), built("resnet18")
    weights(counted, saved(state, tmp_path / "new.pth"))
    uncounted = {key: state[key] for key in reversed(state) if not key.endswith("num_batches_tracked")}
    weights(old, saved(uncounted, tmp_path / "old.pth"))
    for new_value, old_value in zip(counted.parameters(), old.parameters(), strict=True):
        assert torch.equal(new_value, old_value)


def test_another_number_of_labels_leaves_the_last_layer_alone(tmp_path: Path) -> None:
    state = random_state(theirs("resnet18"))
    module = built("resnet18", classes=10)
    last = module[-1]
    assert isinstance(last, nn.Linear)
    nn.init.constant_(last.weight, 0.25)
    file = saved(state, tmp_path / "resnet18.pth")
    assert weights(module, file) == [
        f"{file}: fc has 1,000 outputs, this network 10; its last layer starts untrained, all others have the file's "
        "weights"
    ]
    assert (last.weight == 0.25).all()
    assert torch.equal(module.state_dict()["0.weight"], state["conv1.weight"])


def test_a_file_of_another_network_changes_nothing(tmp_path: Path) -> None:
    """The first key that does not match is named with both shapes, and nothing has been copied before it."""
    file = saved(random_state(theirs("resnet50")), tmp_path / "resnet50.pth")
    module = built("resnet18")
    with pytest.raises(Problem) as raised:
        weights(module, file)
    assert str(raised.value) == (
        f"{file}: layer1.0.conv1.weight is 64×64×1×1, but the network's layer there takes 64×64×3×3; "
        "take the file of this recipe, and pictures of its size and colour"
    )
    assert raised.value.code == DATA
    assert not any(value.any() for value in module.state_dict().values())


def test_a_file_with_layers_too_many_or_too_few_says_how_many(tmp_path: Path) -> None:
    state = random_state(theirs("resnet18"))
    more = {**state, "fc2.weight": torch.zeros(3, 1000), "fc2.bias": torch.zeros(3)}
    less = {key: value for key, value in state.items() if not key.startswith("fc.")}
    for found, told in ((more, "42 layers with weights, of which fc2 is the first too many"), (less, "40 layers")):
        file = saved(found, tmp_path / "other.safetensors")
        with pytest.raises(Problem, match=f"has {told}.*; the network has 41; take the file of this recipe"):
            weights(built("resnet18"), file)


def test_a_layer_without_its_bias_is_named(tmp_path: Path) -> None:
    state = random_state(theirs("resnet18"))
    del state["layer4.1.bn2.bias"]
    file = saved(state, tmp_path / "less.pth")
    with pytest.raises(Problem) as raised:
        weights(built("resnet18"), file)
    assert str(raised.value).startswith(f"{file}: layer4.1.bn2 has no bias: the network's layer there takes weight 512")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, world", bytes(range(256)) * 9, b"PK\x03\x04" + bytes(99)])
def test_a_file_that_is_no_state_dict_gets_a_sentence(content: bytes, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"odd{ending}"
    file.write_bytes(content)
    with pytest.raises(Problem) as raised:
        weights(built("lenet5"), file)
    assert str(raised.value) == (
        f"{file} is damaged or holds no state dict, names with tensors and nothing else; save model.state_dict()"
    )


def test_a_pickled_module_is_never_run(tmp_path: Path) -> None:
    """Whole modules and half files are refused: only tensors are read."""
    whole, half = tmp_path / "module.pth", tmp_path / "half.pth"
    torch.save(nn.Linear(2, 2), whole)
    torch.save(random_state(theirs("resnet18")), half)
    half.write_bytes(half.read_bytes()[:-100_000])
    for file in (whole, half):
        with pytest.raises(Problem, match="is damaged or holds no state dict"):
            weights(built("lenet5"), file)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_missing_file_and_a_folder_are_called_that(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(Problem, match="does not exist; expected a torchvision state dict"):
        weights(built("lenet5"), tmp_path / f"missing{ending}")
    with pytest.raises(Problem, match="cannot be read: "):
        weights(built("lenet5"), tmp_path / f"folder{ending}")
