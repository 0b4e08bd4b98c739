"""Features of models and the search for similar inputs: laws over all domains, an oracle, and messages."""

import json

import numpy as np
import pytest
import torch
from neocog import DOMAINS, load
from neocog import domain as domain_of
from neocog.core.checkpoint import Card, save
from neocog.core.constants import network_constants
from neocog.core.data import DataSpec
from neocog.core.inputs import FileInput, TextInput
from neocog.core.network import Network, parse
from neocog.core.problem import Problem
from neocog.core.retrieval import files as feature_files
from neocog.core.retrieval.collection import Block, Files
from neocog.core.retrieval.collection import load as load_collection
from neocog.core.retrieval.features import FeatureExtractor, default_layer
from neocog.core.retrieval.search import nearest, normalized
from neocog.core.retrieval.sheet import wrapped
from photos import files as photo_files
from test_contract import MADE, SMALL, input_of


def saved_model(name, data, path, network=None, seed=0):
    """A model file with random weights for the data of a domain."""
    domain = domain_of(name)
    sample = domain.frontend(data.preprocessing)(data.train.inputs[:2])
    constants = network_constants(domain, data.preprocessing)
    built = Network(tuple(sample.shape[1:]), parse(network or SMALL[name], classes=len(data.labels), **constants))
    torch.manual_seed(seed)
    card = Card(name, str(built), tuple(built.input), data.labels, data.preprocessing)
    save(path, built.module().state_dict(), card)
    return load(str(path), "cpu")


@pytest.fixture(params=DOMAINS)
def world(request, tmp_path, monkeypatch):
    """A model of a domain, its data, and their folder."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    folder = MADE[request.param](tmp_path / "files")
    data = domain_of(request.param).load(DataSpec(str(folder)), None, None)
    return saved_model(request.param, data, tmp_path / "model.safetensors"), data, folder


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A model of photos, its file, and a folder per class."""
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    folder = photo_files(tmp_path / "photos", "cat", "dog")
    data = domain_of("vision").load(DataSpec(str(folder)), None, None)
    path = tmp_path / "model.safetensors"
    return saved_model("vision", data, path), path, folder


# --- features --------------------------------------------------------------------------------------------------------


def test_features_of_a_file_are_those_of_the_same_example_of_the_data(world):
    model, data, _ = world
    examples = data.train.subset(torch.arange(4))
    read = model.features([input_of(name) for name in examples.names])
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, model.features(examples), atol=1e-5)


def test_features_are_the_input_of_the_last_dense_layer(world):
    """The dense layer and what follows, applied to the features, give the logits."""
    model, data, _ = world
    extractor = FeatureExtractor(model)
    if not extractor.layer.before or len(extractor.layer.shape) > 1:  # a network without a dense layer
        assert model.domain.name == "go"
        return
    features = extractor.of_examples(data.train)
    index = int(extractor.layer.place.number)
    values = features
    for module in list(model.words.children())[index:]:
        values = module(values)
    with model.inference():
        expected = model.words(model.frontend(data.train.inputs[:]))
    torch.testing.assert_close(values.detach(), expected, atol=1e-4, rtol=1e-4)


def test_features_inside_a_branch_are_taken_before_its_dense_layer():
    layers = parse("vote((flatten, dense(5), relu, dense(3)), (globalmax, dense(3)))")
    layer = default_layer(Network((2, 4, 4), layers))
    assert layer.before and layer.place.number == "0.1.1" and layer.shape == (2,)


def test_features_do_not_depend_on_the_batch(world):
    model, data, _ = world
    together, alone = model.features(data.train), model.features(data.train.subset(torch.tensor([3])))
    np.testing.assert_allclose(together[3:4], alone, atol=1e-5)


def test_maps_become_their_mean_maximum_or_all_numbers(photos):
    model, _, folder = photos
    inputs = [str(folder / "cat" / "0.png")]
    maps = model.features(inputs, layer="1", pool="flatten").reshape(4, -1)
    np.testing.assert_allclose(model.features(inputs, layer="1")[0], maps.mean(1), atol=1e-6)
    np.testing.assert_allclose(model.features(inputs, layer="1", pool="max")[0], maps.max(1), atol=1e-6)


def test_views_are_averaged_only_if_asked_for(photos):
    model, _, folder = photos
    model.card.settings["augment"] = "flip"  # what its training showed: mirror images alike
    inputs = [str(folder / "cat" / "0.png")]
    mirrored = FeatureExtractor(model, "1", 2, "mean")
    assert len(mirrored.views) == 2 and len(FeatureExtractor(model).views) == 1
    maps = model.frontend(model.domain.read(FileInput(inputs[0]), model.card.preprocessing)[None])
    layers = list(model.words.children())[:2]
    values = [layers[1](layers[0](view)).mean((2, 3)) for view in (maps, maps.flip(3))]
    expected = torch.stack(values).mean(0).detach().numpy()
    np.testing.assert_allclose(model.features(inputs, layer="1", symmetries=2), expected, atol=1e-5)


def test_features_are_not_those_of_training_mode(photos):
    """Batch norms use their running statistics, also if the module was left in training mode."""
    model, _, folder = photos
    data = domain_of("vision").load(DataSpec(str(folder)), None, None)
    normed = saved_model(
        "vision", data, folder.parent / "b.safetensors", "conv(4, 3), batchnorm, relu, globalmax, dense(2)"
    )
    before = normed.features(data.train)
    normed.module.train()
    np.testing.assert_array_equal(normed.features(data.train), before)
    assert not normed.module.training and model.fingerprint != normed.fingerprint


def test_features_ignore_autocast(photos):
    model, _, folder = photos
    inputs = [str(folder / "cat" / "0.png")]
    expected = model.features(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(model.features(inputs), expected)


def test_the_fingerprint_is_that_of_weights_and_network_not_of_metrics(photos, tmp_path):
    model, _, folder = photos
    data = domain_of("vision").load(DataSpec(str(folder)), None, None)
    same = saved_model("vision", data, tmp_path / "same.safetensors")
    changed = saved_model("vision", data, tmp_path / "changed.safetensors", seed=1)
    same.card.metrics["accuracy"] = 1.0
    assert same.fingerprint == model.fingerprint != changed.fingerprint


def test_files_of_features_hold_the_same_rows(photos, command, tmp_path):
    model, path, folder = photos
    parquet = pytest.importorskip("pyarrow.parquet")
    for ending in ("npz", "parquet"):
        code, out, _ = command("features", path, folder, "--out", tmp_path / f"f.{ending}", "--quiet")
        assert code == 0 and "12 vectors of 4 numbers, the input of layer 3, dense(2)" in out
    arrays = np.load(tmp_path / "f.npz")  # nothing is pickled
    table = parquet.read_table(tmp_path / "f.parquet")
    assert arrays["features"].dtype == np.float32
    np.testing.assert_array_equal(arrays["features"], np.stack(table["features"].to_pylist()).astype(np.float32))
    for name, column in (("names", "name"), ("labels", "label"), ("splits", "split")):
        assert arrays[name].tolist() == table[column].to_pylist()
    settings = json.loads(str(arrays["settings"]))
    assert settings == json.loads(table.schema.metadata[b"neocog"]) and settings["model"] == model.fingerprint
    expected = model.features(arrays["names"].tolist())
    np.testing.assert_allclose(arrays["features"], expected, atol=1e-5)
    np.testing.assert_allclose(model.features(str(folder)), expected, atol=1e-5)


def test_files_of_features_are_written_block_by_block(tmp_path):
    """At any time one block is in memory: a generator that refuses to be asked ahead is enough."""
    alive = []

    def blocks():
        for number in range(3):
            assert len(alive) == number
            yield Block([f"{number}/ä.png"], ["a"], ["train"], torch.full((1, 2), float(number)))
            alive.append(number)

    assert feature_files.write(tmp_path / "f.npz", blocks(), 2, {}) == 3
    arrays = np.load(tmp_path / "f.npz")
    assert arrays["features"].tolist() == [[0, 0], [1, 1], [2, 2]] and arrays["names"][2] == "2/ä.png"


def test_files_without_labels_are_read_one_by_one(photos, command, tmp_path):
    model, path, folder = photos
    (folder / "cat" / "broken.png").write_bytes(b"no picture")
    collection = load_collection(model, DataSpec(str(folder / "cat")))
    assert isinstance(collection, Files) and len(collection.inputs) == 7
    code, out, err = command("features", path, folder / "cat", "--out", tmp_path / "f.npz", "--json")
    summary = json.loads(out)
    assert code == 3 and summary["examples"] == 6 and "broken.png" in summary["bad"][0]["file"] and "broken.png" in err


# --- search ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 5, 40])
@pytest.mark.parametrize("rows", [3, 100, 5000])
def test_the_search_is_that_of_a_product_and_a_sort(rows, count):
    rng = torch.Generator().manual_seed(rows + count)
    features = normalized(torch.randn(rows, 16, generator=rng))
    queries = normalized(torch.randn(7, 16, generator=rng))
    similarities, indices = nearest(queries, features, count)
    expected = (queries.double() @ features.double().T).sort(dim=1, descending=True)
    assert torch.equal(indices, expected.indices[:, :count])
    torch.testing.assert_close(similarities.double(), expected.values[:, :count], atol=1e-6, rtol=0)


def test_equal_vectors_are_found_in_the_order_of_the_collection():
    features = torch.zeros(5000, 3)
    features[:, 0] = 1
    assert nearest(features[:2], features, 4).indices.tolist() == [[0, 1, 2, 3]] * 2


def test_a_vector_of_zeros_is_similar_to_nothing():
    features = normalized(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    assert nearest(features, features, 2).similarities.tolist() == [[0.0, 0.0], [pytest.approx(1.0), 0.0]]


def test_faiss_finds_the_same(monkeypatch):
    pytest.importorskip("faiss")
    rng = torch.Generator().manual_seed(0)
    features = normalized(torch.randn(500, 8, generator=rng))
    expected = nearest(features[:9], features, 5)
    monkeypatch.setattr("neocog.core.retrieval.search.FAISS_FROM", 100)
    actual = nearest(features[:9], features, 5)
    assert torch.equal(actual.indices, expected.indices)
    torch.testing.assert_close(actual.similarities, expected.similarities, atol=1e-5, rtol=0)


def test_similar_lists_the_most_similar_others_first_in_every_domain(world, command, tmp_path):
    _, data, folder = world
    query = input_of(data.train.names[0])
    arguments = ["--move", query.options["move"]] if query.options else []
    names = [query.name] if isinstance(query, TextInput) else [query.path]
    sheet = tmp_path / "sheet.png"
    path = tmp_path / "model.safetensors"
    code, out, err = command(
        "similar", path, *names, *arguments, "--in", folder, "--top", 3, "--json", "--out", sheet, "--quiet"
    )
    assert code == 0, err
    neighbours = json.loads(out)[0]["neighbours"]
    assert len(neighbours) == 3 and sheet.exists()
    similarities = [entry["similarity"] for entry in neighbours]
    assert similarities == sorted(similarities, reverse=True) and max(similarities) <= 1
    is_listed = data.train.names[0] in [entry["input"] for entry in neighbours]
    assert is_listed == isinstance(query, TextInput)  # a file of the collection is left out, a text is not one of it


def test_an_index_is_built_once_and_gives_the_same_neighbours(photos, command, tmp_path):
    _, path, folder = photos
    query, index = folder / "cat" / "0.png", tmp_path / "photos.index"
    _, direct, _ = command("similar", path, query, "--in", folder, "--index", index, "--json")
    code, out, _ = command("similar", path, query, "--index", index, "--json", "--out", tmp_path / "page.html")
    assert code == 0 and json.loads(out) == json.loads(direct)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 10 + 1 and "://" not in page.replace("http://www.w3.org", "")
    code, out, _ = command("similar", path, query, "--index", index, "--top", 2, "--out", tmp_path / "t.csv")
    assert out.splitlines()[0] == str(query) and len(out.splitlines()) == 4
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 3


def test_a_table_of_texts_shows_the_texts(tmp_path, monkeypatch, command):
    monkeypatch.setenv("NEOCOG_CACHE", str(tmp_path / "cache"))
    folder = MADE["text"](tmp_path / "files")
    data = domain_of("text").load(DataSpec(str(folder)), None, None)
    saved_model("text", data, tmp_path / "model.safetensors")
    text = (folder / "cats" / "4.txt").read_text(encoding="utf-8").strip()
    code, out, _ = command("similar", tmp_path / "model.safetensors", "--text", text, "--in", folder)
    assert code == 0 and out.splitlines()[2].split()[:2] == ["1.000", "cats"] and out.splitlines()[2].endswith(text)
    table = tmp_path / "lines.csv"
    table.write_text("text\npurring cat\nbarking dog\n", encoding="utf-8")
    code, out, _ = command(
        "similar", tmp_path / "model.safetensors", "--text", "purring", "--in", table, "--json", "--quiet"
    )
    assert code == 0 and {row["input"] for row in json.loads(out)[0]["neighbours"]} == {
        f"{table}, row 1",
        f"{table}, row 2",
    }
    sheet = tmp_path / "sheet.svg"
    arguments = ("--text", "purring", "--text", "a long query " * 30, "--in", table, "--out", sheet, "--quiet")
    assert command("similar", tmp_path / "model.safetensors", *arguments)[0] == 0
    assert "cosine" in sheet.read_text(encoding="utf-8") and sheet.read_text(encoding="utf-8").count("<image") == 2


def test_a_text_is_wrapped_at_the_width_of_its_table():
    from neocog.core.charts import font

    text = "How far is it from Denver to Aspen ? " * 8 + "x" * 200
    lines = wrapped(text, font(13), 300)
    assert all(font(13).getlength(line) <= 300 for line in lines) and len(lines) > 5
    assert text.startswith(" ".join(lines)[:280])


# --- bad input -------------------------------------------------------------------------------------------------------


def refused(command, *arguments):
    code, out, err = command(*arguments)
    assert code in (2, 3) and out == ""
    return err


def test_an_index_of_another_model_is_refused(photos, command, tmp_path):
    _, path, folder = photos
    data = domain_of("vision").load(DataSpec(str(folder)), None, None)
    saved_model("vision", data, tmp_path / "second.safetensors", seed=1)
    index = tmp_path / "photos.index"
    assert command("similar", path, "--in", folder, "--index", index)[0] == 0
    message = refused(command, "similar", tmp_path / "second.safetensors", folder / "cat/0.png", "--index", index)
    assert "was built with another model" in message and "cannot be compared" in message and "--force" in message
    message = refused(command, "similar", path, folder / "cat/0.png", "--index", index, "--layer", "1")
    assert "holds features of the input of layer 3, pool mean" in message and "--layer" in message
    assert "exists; name another file" in refused(command, "similar", path, "--in", folder, "--index", index)


def test_what_is_no_index_is_refused(photos, command, tmp_path):
    _, path, folder = photos
    query, broken = folder / "cat" / "0.png", tmp_path / "broken.index"
    assert "is not an index" in refused(command, "similar", path, query, "--index", path)
    assert "does not exist" in refused(command, "similar", path, query, "--index", broken)
    index = tmp_path / "photos.index"
    command("similar", path, "--in", folder, "--index", index)
    broken.write_bytes(index.read_bytes()[:-10])
    assert "cut short" in refused(command, "similar", path, query, "--index", broken)
    assert "--in DATA" in refused(command, "similar", path, query)


def test_a_query_that_cannot_be_read_is_named_and_the_others_are_answered(photos, command, tmp_path):
    _, path, folder = photos
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    code, out, err = command("similar", path, broken, folder / "cat" / "0.png", "--in", folder, "--json")
    assert code == 3 and len(json.loads(out)) == 1 and "broken.png" in err
    with pytest.raises(Problem, match=r"broken\.png"):
        load(str(path), "cpu").features([str(broken)])


def test_wrong_layers_pools_and_views_are_refused(photos, command, tmp_path):
    _, path, folder = photos
    common = ("features", path, folder, "--out", tmp_path / "f.npz")
    assert "has no layer 9; it has 0 conv(4, 3)" in refused(command, *common, "--layer", "9")
    assert "did you mean dense" in refused(command, *common, "--layer", "dens")
    assert "--pool is one of mean, max, flatten; got sum" in refused(command, *common, "--pool", "sum")
    assert "--symmetries is from 1 to 1" in refused(command, *common, "--symmetries", "3")
    assert "--out FILE.npz" in refused(command, "features", path, folder)
    assert "ends in none of .npz, .parquet" in refused(command, "features", path, folder, "--out", tmp_path / "f.txt")
    assert "--part is one of train, valid, test, all; got tests" in refused(command, *common, "--part", "tests")


def test_data_that_have_changed_since_the_index_are_pointed_out(photos, command, tmp_path):
    _, path, folder = photos
    index = tmp_path / "photos.index"
    command("similar", path, "--in", folder, "--index", index)
    (folder / "dog" / "5.png").unlink()
    query, sheet = folder / "cat" / "0.png", tmp_path / "s.png"
    message = refused(command, "similar", path, query, "--index", index, "--top", 11, "--out", sheet)
    assert "the data have changed; build the index again" in message
