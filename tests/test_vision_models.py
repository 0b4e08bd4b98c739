"""Image recipes compared with torchvision's models, torch's FLOP counter and published numbers."""

from pathlib import Path

import pytest
import torch
from neocog.core.network import Network, parse
from neocog.core.problem import DATA, Problem
from neocog.core.settings import Settings
from neocog.vision.augment import compose
from neocog.vision.models import RECIPES
from neocog.vision.weights import layers_in_order, load_weights
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

torchvision = pytest.importorskip("torchvision")

PHOTOS = ["alexnet", "googlenet", "resnet18", "resnet50", "vgg16"]
PARAMETERS = {"keras-digits": 137_660, "lenet5": 431_080, "mlp": 669_706}  # 10 labels, 1×28×28; for mlp by hand:
assert PARAMETERS["mlp"] == (784 + 1) * 512 + (512 + 1) * 512 + (512 + 1) * 10


def network(name: str, classes: int | None = None) -> Network:
    """The recipe at its own image size: 1,000 labels for photos, 10 for digits."""
    photo = name in (*PHOTOS, "efficientnet-lite0")
    side = RECIPES[name].options.get("size", 28)
    return Network((3 if photo else 1, side, side), RECIPES[name].layers(classes or (1000 if photo else 10)))


def torchvision_model(name: str, **options: object) -> nn.Module:
    """torchvision's model in evaluation mode, on the meta device."""
    if name == "googlenet":
        options = {"init_weights": False, **options}
    with torch.device("meta"):
        model: nn.Module = getattr(torchvision.models, name)(weights=None, **options)
    return model.eval()


def random_state(model: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Random values for every key, running statistics included, that keep activations near 1 in size."""
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


def build_module(name: str, classes: int | None = None) -> nn.Sequential:
    """The recipe's module in evaluation mode, all zero: what a file does not fill would show."""
    with torch.device("meta"):
        module = network(name, classes).module()
    module = module.to_empty(device="cpu").eval()
    for value in module.state_dict().values():
        value.zero_()
    return module


def save_state(state: dict[str, Tensor], file: Path) -> Path:
    if file.suffix == ".safetensors":
        save_file(state, file)
    else:
        torch.save(state, file)
    return file


@pytest.mark.parametrize("name", RECIPES)
def test_macs_agree_with_torchs_flop_counter(name: str) -> None:
    recipe = network(name)
    with torch.device("meta"):
        module, x = recipe.module().eval(), torch.empty(1, *recipe.input)
    with FlopCounterMode(display=False) as counter:
        module(x)
    assert recipe.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_equals_its_parsed_text(name: str) -> None:
    recipe = network(name)
    assert parse(str(recipe)) == recipe.layers


@pytest.mark.parametrize("name", RECIPES)
def test_there_is_a_logit_for_each_label(name: str) -> None:
    assert network(name, 7).output == (7,)


@pytest.mark.parametrize("name", RECIPES)
def test_settings_and_augmentation_are_valid(name: str) -> None:
    compose(Settings().changed(RECIPES[name].settings).augment)


@pytest.mark.parametrize("name", PARAMETERS)
def test_numbers_of_parameters(name: str) -> None:
    assert network(name).parameters == PARAMETERS[name]


def test_keras_digits_has_the_shapes_of_the_lectures() -> None:
    """25×26×26, 25×13×13, 50×11×11, 50×5×5 and 1,250."""
    rows = [row for row in network("keras-digits").rows if str(row.layer) != "relu"]
    assert [row.output for row in rows][:5] == [(25, 26, 26), (25, 13, 13), (50, 11, 11), (50, 5, 5), (1250,)]


def test_mlp_has_the_requested_depth_and_units() -> None:
    assert ", ".join(map(str, RECIPES["mlp"].layers(3, units=7, depth=1))) == "flatten, dense(7), relu, dense(3)"


@pytest.mark.parametrize("name", PHOTOS)
def test_photo_recipes_have_as_many_parameters_as_torchvisions_models(name: str) -> None:
    counts = [value.numel() for key, value in torchvision_model(name).named_parameters() if not key.startswith("aux")]
    assert network(name).parameters == sum(counts)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "vgg16" else n for n in PHOTOS])
def test_photo_recipes_give_the_same_logits_as_torchvisions_models(name: str, suffix: str, tmp_path: Path) -> None:
    """With the same random weights and image, the difference is below 1e-4 of the logits' standard deviation."""
    model = torchvision_model(name)
    state = random_state(model)
    model.load_state_dict(state, assign=True)
    module = build_module(name)
    assert load_weights(module, save_state(state, tmp_path / f"{name}{suffix}")) == []
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected, logits = model(x), module(x)
    assert 0.1 < expected.std() < 100
    assert (logits - expected).abs().max() < 1e-4 * max(1.0, float(expected.std()))


@pytest.mark.parametrize("name", PHOTOS)
def test_the_order_of_layers_is_read_from_their_names(name: str) -> None:
    """Keys sorted as by safetensors, or reversed, give the layers in torchvision's order."""
    state = {key: value for key, value in torchvision_model(name).state_dict().items() if not key.startswith("aux")}
    built_order = list(dict.fromkeys(key.rpartition(".")[0] for key in state))
    for shuffled in (sorted(state), reversed(list(state))):
        assert list(layers_in_order({key: state[key] for key in shuffled}, Path("file"))) == built_order


def test_old_files_without_num_batches_tracked_load(tmp_path: Path) -> None:
    """torchvision's oldest files have no num_batches_tracked, and running statistics before weights."""
    state = random_state(torchvision_model("resnet18"))
    counted, old = build_module("resnet18"), build_module("resnet18")
    load_weights(counted, save_state(state, tmp_path / "new.pth"))
    uncounted = {key: state[key] for key in reversed(state) if not key.endswith("num_batches_tracked")}
    load_weights(old, save_state(uncounted, tmp_path / "old.pth"))
    for new_value, old_value in zip(counted.parameters(), old.parameters(), strict=True):
        assert torch.equal(new_value, old_value)


def test_a_different_number_of_labels_leaves_the_last_layer_unchanged(tmp_path: Path) -> None:
    state = random_state(torchvision_model("resnet18"))
    module = build_module("resnet18", classes=10)
    last = module[-1]
    assert isinstance(last, nn.Linear)
    nn.init.constant_(last.weight, 0.25)
    file = save_state(state, tmp_path / "resnet18.pth")
    assert load_weights(module, file) == [
        f"{file}: fc has 1,000 outputs, this network 10; its last layer starts untrained, all others have the file's "
        "weights"
    ]
    assert (last.weight == 0.25).all()
    assert torch.equal(module.state_dict()["0.weight"], state["conv1.weight"])


def test_a_file_of_another_network_is_refused_before_anything_is_copied(tmp_path: Path) -> None:
    """The message names the first key that does not match, with both shapes."""
    file = save_state(random_state(torchvision_model("resnet50")), tmp_path / "resnet50.pth")
    module = build_module("resnet18")
    with pytest.raises(Problem) as raised:
        load_weights(module, file)
    assert str(raised.value) == (
        f"{file}: layer1.0.conv1.weight is 64×64×1×1, but the network's layer takes 64×64×3×3; "
        "use the file of this recipe, and pictures of its size and colour"
    )
    assert raised.value.code == DATA
    assert not any(value.any() for value in module.state_dict().values())


def test_too_many_or_too_few_layers_are_counted_in_the_message(tmp_path: Path) -> None:
    state = random_state(torchvision_model("resnet18"))
    longer = {**state, "fc2.weight": torch.zeros(3, 1000), "fc2.bias": torch.zeros(3)}
    shorter = {key: value for key, value in state.items() if not key.startswith("fc.")}
    for tensors, message in (
        (longer, "42 layers with weights, of which fc2 is the first too many"),
        (shorter, "40 layers"),
    ):
        file = save_state(tensors, tmp_path / "other.safetensors")
        with pytest.raises(Problem, match=f"has {message}.*; the network has 41; use the file of this recipe"):
            load_weights(build_module("resnet18"), file)


def test_a_missing_bias_is_named(tmp_path: Path) -> None:
    state = random_state(torchvision_model("resnet18"))
    del state["layer4.1.bn2.bias"]
    file = save_state(state, tmp_path / "less.pth")
    with pytest.raises(Problem) as raised:
        load_weights(build_module("resnet18"), file)
    assert str(raised.value).startswith(f"{file}: layer4.1.bn2 has no bias: the network's layer takes weight 512")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"hello, world", bytes(range(256)) * 9, b"PK\x03\x04" + bytes(99)])
def test_a_file_that_is_no_state_dict_is_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"odd{suffix}"
    file.write_bytes(content)
    with pytest.raises(Problem) as raised:
        load_weights(build_module("lenet5"), file)
    assert str(raised.value) == (
        f"{file} is damaged or holds no state dict, names with tensors and nothing else; save model.state_dict()"
    )


def test_pickled_modules_and_truncated_files_are_refused(tmp_path: Path) -> None:
    module, truncated = tmp_path / "module.pth", tmp_path / "half.pth"
    torch.save(nn.Linear(2, 2), module)
    torch.save(random_state(torchvision_model("resnet18")), truncated)
    truncated.write_bytes(truncated.read_bytes()[:-100_000])
    for file in (module, truncated):
        with pytest.raises(Problem, match="is damaged or holds no state dict"):
            load_weights(build_module("lenet5"), file)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_missing_file_and_a_folder_are_refused(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(Problem, match="does not exist; expected a torchvision state dict"):
        load_weights(build_module("lenet5"), tmp_path / f"missing{suffix}")
    with pytest.raises(Problem, match="cannot be read: "):
        load_weights(build_module("lenet5"), tmp_path / f"folder{suffix}")
