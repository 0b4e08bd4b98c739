"""Selection of devices and number formats, and the shares of a batch among processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from neocog.core import device as devices
from neocog.core.device import World, choose
from neocog.core.problem import USAGE, Problem
from torch import nn

EXPECTED = "expected auto, cpu, cuda, cuda:1 or mps"


@pytest.fixture
def machine(monkeypatch):
    """A machine with so many GPUs, and Apple's or not."""

    def set_up(gpus: int = 0, mps: bool = False) -> None:
        monkeypatch.delenv("LOCAL_RANK", raising=False)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return set_up


def refused(name: str) -> str:
    with pytest.raises(Problem) as raised:
        choose(name)
    assert raised.value.code == USAGE
    return str(raised.value)


@pytest.mark.parametrize("name", ["gpu", "CPU", "cuda:x", "cuda:-1", "cuda1", "0", "cpu "])
def test_a_name_that_is_not_a_device(name, machine):
    machine()
    assert refused(name) == f"{name} is not a device; {EXPECTED}"


@pytest.mark.parametrize("name", ["meta", "xpu", "xla:0"])
def test_an_unsupported_device_of_torch(name, machine):
    machine()
    assert refused(name) == f"{name} is not supported; {EXPECTED}"


@pytest.mark.parametrize(
    ("name", "gpus", "available"),
    [
        ("cuda", 0, "none"),
        ("cuda:0", 0, "none"),
        ("cuda:2", 2, "2 of them"),
        ("mps", 0, "none"),
        ("cpu:1", 0, "1 of them"),
    ],
)
def test_an_unavailable_device(name, gpus, available, machine):
    machine(gpus)
    assert refused(name) == f"{name} is not available: torch finds {available}; --device cpu always works"


@pytest.mark.parametrize(
    ("gpus", "mps", "chosen"), [(0, False, "cpu"), (0, True, "mps"), (2, False, "cuda:0"), (1, True, "cuda:0")]
)
def test_auto_is_the_fastest_available_device(gpus, mps, chosen, machine):
    machine(gpus, mps)
    assert choose("auto") == torch.device(chosen)


def test_each_process_of_a_launcher_has_its_gpu(machine, monkeypatch):
    machine(gpus=4)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert choose("auto") == torch.device("cuda:2")
    assert choose("cuda:1") == torch.device("cuda:1")
    machine(gpus=0)
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert choose("auto") == torch.device("cpu")


@pytest.mark.parametrize(("name", "gpus"), [("cpu", 0), ("cuda:0", 1), ("cuda:1", 2)])
def test_an_available_device_is_selected_by_its_name(name, gpus, machine):
    machine(gpus)
    assert choose(name) == torch.device(name)


def test_a_gpu_has_an_index_as_in_tensors(machine):
    """The device of a tensor on "cuda" is "cuda:0", which torch compares as different."""
    machine(gpus=2)
    assert choose("cuda") == torch.device("cuda:0") != torch.device("cuda")


def test_a_device_in_words(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    assert devices.describe(torch.device("cuda:1")) == "cuda:1: NVIDIA H200"
    assert devices.describe(torch.device("cpu")) in ("cpu: 1 thread", f"cpu: {torch.get_num_threads()} threads")
    assert devices.describe(torch.device("mps")) == "mps"


@pytest.mark.parametrize(
    ("capability", "chosen"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_bfloat16_is_the_default_if_the_hardware_supports_it(capability, chosen, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert devices.number_format(torch.device("cuda"), "auto") == chosen


def test_a_requested_number_format_is_used():
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        assert devices.number_format(torch.device("cpu"), name) == dtype
    assert devices.number_format(torch.device("mps"), "auto") == torch.float32


def test_channels_last_for_convolutions_only():
    convolutional, dense = nn.Sequential(nn.Conv2d(3, 8, 3)), nn.Sequential(nn.Linear(3, 8))
    formats = [devices.memory_format(module, torch.device("cpu")) for module in (convolutional, dense)]
    assert formats == [torch.channels_last, torch.contiguous_format]
    assert devices.memory_format(convolutional, torch.device("mps")) == torch.contiguous_format
    laid_out = devices.lay_out(convolutional, torch.channels_last)
    assert laid_out[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
    ids=str,
)
def test_out_of_memory_is_distinguished_from_other_errors(error, memory):
    assert devices.out_of_memory(error) is memory


@given(st.integers(0, 100), st.integers(1, 9))
def test_the_shares_of_all_processes_partition_the_batch(examples, size):
    """Shares differ by at most one example."""
    indices = torch.randperm(examples)
    shares = [World(rank, size).share(indices) for rank in range(size)]
    assert sorted(torch.cat(shares).tolist()) == list(range(examples))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_agrees_with_itself(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    value = torch.tensor([3.0])
    with devices.world(torch.device("cpu")) as alone, alone.first():
        assert alone == World(0, 1)
        alone.mean(value)
        assert value.item() == 3
        assert [alone.agree(flag, torch.device("cpu")) for flag in (True, False)] == [True, False]
        assert torch.equal(alone.share(torch.arange(5)), torch.arange(5))
