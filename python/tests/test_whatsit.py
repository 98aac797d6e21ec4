"""The wheel against the command line, and what Python adds: threads, fork, memory, errors, scikit-learn."""
import gc
import json
import mmap
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import whatsit

ROOT = Path(os.environ.get("WHATSIT_SOURCE", Path(__file__).resolve().parents[2]))
SAMPLES = sorted(map(str, (ROOT / "samples").glob("*.jpg")))
PROGRAM = os.environ.get("WHATSIT_PROGRAM", str(ROOT / "build" / "whatsit"))


@pytest.fixture(scope="module")
def model():
    return whatsit.Model()


def by_command_line(*words):
    if not os.path.exists(PROGRAM):
        pytest.skip("the command line is not built")
    out = subprocess.run([PROGRAM, *words], stdout=subprocess.PIPE, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_images_equal_the_command_line_bit_for_bit(model):
    rows = model.embed_images(SAMPLES)
    assert rows.shape == (len(SAMPLES), model.embedding_dim) and rows.dtype == np.float32
    said = by_command_line("embed", *(word for path in SAMPLES for word in ("--image", path)))
    for row, line in zip(rows, said):
        assert np.array_equal(row, np.array(line["embedding"], np.float32)), line["image"]


def test_texts_equal_the_command_line_bit_for_bit(model):
    texts = ["a photo of a dog", "ein Hund", ""]
    rows = model.embed_texts(texts)
    said = by_command_line("embed", *(word for text in texts for word in ("--text", text)))
    for row, line in zip(rows, said):
        assert np.array_equal(row, np.array(line["embedding"], np.float32)), line["text"]


def test_every_form_of_a_picture_is_the_same_picture(model, tmp_path):
    PIL = pytest.importorskip("PIL.Image")
    path = str(tmp_path / "small.png")
    PIL.open(SAMPLES[0]).convert("RGB").resize((200, 150)).save(path)
    image = PIL.open(path)
    rows = model.embed_images([path, Path(path), Path(path).read_bytes(), image, np.asarray(image)])
    assert all(np.array_equal(rows[0], row) for row in rows)
    assert abs(float(np.linalg.norm(rows[0])) - 1) < 1e-5


class ByDlpackOnly:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **words):
        return self.array.__dlpack__(**words)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def test_buffers_go_in_and_out_without_copies(model, tmp_path):
    PIL = pytest.importorskip("PIL.Image")
    path = tmp_path / "small.png"
    PIL.open(SAMPLES[1]).convert("RGB").resize((160, 120)).save(path)
    pixels = np.array(PIL.open(path))
    want = model.embed_images([path])[0]
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        with memoryview(mapped) as view:
            forms = [bytearray(path.read_bytes()), view, ByDlpackOnly(pixels), pixels[:, ::1], np.asfortranarray(pixels)]
            assert all(np.array_equal(want, row) for row in model.embed_images(forms))
    rows = model.embed_images([path])
    assert np.shares_memory(np.from_dlpack(rows), rows) and memoryview(rows).format == "f"
    with pytest.raises(ValueError, match="uint8"):
        model.embed_images([ByDlpackOnly(pixels.astype(np.float32))])


def test_tensors(model, tmp_path):
    torch = pytest.importorskip("torch")
    PIL = pytest.importorskip("PIL.Image")
    pixels = np.array(PIL.open(SAMPLES[1]).convert("RGB").resize((160, 120)))
    rows = model.embed_images([torch.from_numpy(pixels)])
    assert np.array_equal(rows, model.embed_images([pixels]))
    assert torch.from_dlpack(rows).data_ptr() == rows.ctypes.data


class _Embedded:
    """A data set whose items are embedded in the loader's workers."""

    def __init__(self, model):
        self.model = model

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return self.model.embed_images([SAMPLES[i]])[0]


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_data_loader_workers(model, how):
    torch = pytest.importorskip("torch")
    want = model.embed_images(SAMPLES[:6])
    loader = torch.utils.data.DataLoader(_Embedded(model), batch_size=2, num_workers=2, multiprocessing_context=how)
    assert np.array_equal(torch.cat(list(loader)).numpy(), want)


def test_an_interrupt_ends_a_long_call():
    """Ctrl-C in the middle of endless pictures; the model can be used again."""
    program = f"""
import itertools, signal, sys, whatsit
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background may ignore it
model = whatsit.Model()
def forever():
    for i in itertools.count():
        if i == 100:
            print("under way", flush=True)
        yield {SAMPLES[0]!r}
try:
    model.embed_images(forever())
except KeyboardInterrupt:
    print("interrupted", model.embed_images([{SAMPLES[0]!r}]).shape[0])
"""
    run = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert run.stdout.readline() == "under way\n"
    run.send_signal(signal.SIGINT)
    try:
        assert run.communicate(timeout=120)[0] == "interrupted 1\n" and run.returncode == 0
    finally:
        run.kill()


def test_answers_and_head_files(model, tmp_path):
    head = whatsit.Head.from_labels(model, ["dog", "pizza", "ship"], templates=["a photo of a {}."])
    answers = head([str(ROOT / "samples" / "pizza.jpg"), str(ROOT / "samples" / "bernese-mountain-dog.jpg")])
    assert [a[0].label for a in answers] == ["pizza", "dog"]
    assert all(abs(sum(x.score for x in a) - 1) < 1e-5 for a in answers)
    path = tmp_path / "three.safetensors"
    head.save(path)
    again = whatsit.Head.load(model, path)
    assert again.labels == head.labels and again(SAMPLES[:3]) == head(SAMPLES[:3])
    said = by_command_line(SAMPLES[0], "--as", str(path), "--json", "--top", "3")[0]["heads"][0]["answers"]
    assert [a["label"] for a in said] == [a.label for a in head(SAMPLES[0])[0]]
    assert np.allclose([a["score"] for a in said], [a.score for a in head(SAMPLES[0])[0]], rtol=1e-6)
    assert "foods" in whatsit.shipped_lists()
    assert len(whatsit.Head.from_list(model, "fruits" if "fruits" in whatsit.shipped_lists() else "foods").labels) > 5


def test_examples(model):
    names = [Path(p).stem for p in SAMPLES[:4]]
    head = whatsit.Head.from_examples(model, SAMPLES[:4] * 2, names * 2, strength=10.0)
    assert [a[0].label for a in head(SAMPLES[:4])] == names


def test_errors_speak(model, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(whatsit.WhatsitError, match="bad.jpg") as caught:
        model.embed_images([SAMPLES[0], str(bad)])
    assert caught.value.status == "format"
    rows = model.embed_images([SAMPLES[0], str(bad), SAMPLES[1]], errors="nan")
    assert np.isnan(rows[1]).all() and np.array_equal(rows[[0, 2]], model.embed_images(SAMPLES[:2]))
    with pytest.raises(whatsit.WhatsitError):
        whatsit.Model(str(tmp_path / "none.gguf"))
    with pytest.raises(ValueError, match="uint8"):
        model.embed_images([np.zeros((4, 4), np.float32)])
    with pytest.raises(whatsit.WhatsitError, match="label"):
        whatsit.Head.from_labels(model, [])
    with pytest.raises(ValueError):
        whatsit.Head.from_labels(model, ["a", "b"]).scores(np.zeros((1, 3), np.float32))
    assert model.embed_images([]).shape == (0, model.embedding_dim)


def test_threads_share_a_model(model):
    want = model.embed_images(SAMPLES)
    got = [None] * 6

    def work(i):
        got[i] = model.embed_images(SAMPLES)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(got))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert all(np.array_equal(want, rows) for rows in got)


def _embed(model, paths, out):
    out.put(model.embed_images(paths).tobytes())


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_children_use_it_too(model, how):
    want = model.embed_images(SAMPLES[:3])
    context = multiprocessing.get_context(how)
    out = context.Queue()
    children = [context.Process(target=_embed, args=(model, SAMPLES[:3], out)) for _ in range(2)]
    [c.start() for c in children]
    rows = [np.frombuffer(out.get(timeout=120), np.float32).reshape(want.shape) for _ in children]
    [c.join(60) for c in children]
    assert all(np.array_equal(want, r) for r in rows) and all(c.exitcode == 0 for c in children)
    assert np.array_equal(want, model.embed_images(SAMPLES[:3]))  # and the parent goes on


def test_sentences_equal_the_command_line(model):
    describer = whatsit.Describer(model)
    told = describer(SAMPLES, n=2)
    lines = by_command_line("describe", *SAMPLES, "--n", "2", "--json")
    assert [[c.text for c in row] for row in told] == [[c["text"] for c in line["captions"]] for line in lines]
    assert all(0 < c.mean_prob <= 1 and c.logprob < 0 for row in told for c in row)
    assert describer(SAMPLES[0], about="the")[0][0].text.startswith("the ")
    with pytest.raises(whatsit.WhatsitError, match="does not know"):
        describer(SAMPLES[0], about="xylographic")


def test_a_model_that_describes_by_itself():
    path = str(ROOT / "tests" / "model" / "data" / "originals" / "open_clip_coca")
    coca = whatsit.Model(path)
    told = whatsit.Describer(coca)(SAMPLES[:3], n=2)
    lines = by_command_line("describe", *SAMPLES[:3], "--n", "2", "--json", "--model", path)
    assert [[c.text for c in row] for row in told] == [[c["text"] for c in line["captions"]] for line in lines]
    assert all(c.sure is None for row in told for c in row) and all(line["sure"] is None for line in lines)


def test_pickle(model):
    again = pickle.loads(pickle.dumps(model))
    assert again.fingerprint == model.fingerprint


def test_memory_stays_flat(model):
    pixels = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    head = whatsit.Head.from_labels(model, ["a", "b"])

    def some(n):
        for i in range(n):
            head.scores(np.ones((1, model.embedding_dim), np.float32))
            try:
                model.embed_images([b"no picture"])
            except whatsit.WhatsitError:
                pass
            if i % 50 == 0:
                model.embed_images([pixels])
                model.embed_texts(["a word"])
        model.embed_images([pixels] * 32)
        gc.collect()

    some(300)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    some(10000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8192  # kB


def test_index(model, tmp_path):
    rows = model.embed_images(SAMPLES)
    index = whatsit.Index(tmp_path / "samples", model)
    assert index.append(rows) == 0 and len(index) == len(rows)
    found, cosines = index.search(rows[5], 3)
    assert found[0] == 5 and cosines[0] == pytest.approx(1, abs=1e-3) and list(cosines) == sorted(cosines)[::-1]
    mask = np.ones(len(rows), bool)
    mask[5] = False
    assert 5 not in index.search(rows[5], 3, mask)[0]
    with pytest.raises(whatsit.WhatsitError, match="another process is writing"):
        whatsit.Index(tmp_path / "samples", model)
    assert len(whatsit.Index(tmp_path / "samples", read_only=True)) == len(rows)


def _search(index, query, out):
    try:
        index.append(query)
    except whatsit.WhatsitError as error:
        out.put((index.search(query, 3)[0].tolist(), error.status))


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_children_search_an_index(model, tmp_path, how):
    """Of so many rows that several threads search them."""
    rows = np.random.default_rng(1).standard_normal((20000, model.embedding_dim), np.float32)
    index = whatsit.Index(tmp_path / "many", model)
    index.append(rows)
    context = multiprocessing.get_context(how)
    out = context.Queue()
    child = context.Process(target=_search, args=(index, rows[7], out))
    child.start()
    found, status = out.get(timeout=120)
    child.join(60)
    assert found == index.search(rows[7], 3)[0].tolist() and found[0] == 7
    assert status == "argument" and child.exitcode == 0 and index.append(rows[:1]) == len(rows)


@pytest.mark.parametrize("check", [
    "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_get_params_invariance",
    "check_set_params", "check_estimator_cloneable", "check_estimator_repr", "check_estimator_tags_renamed",
    "check_valid_tag_types"])
def test_sklearn_checks_that_bring_no_data(check):
    """The rest of check_estimator feeds tables of other widths than a model's embeddings, or no pictures."""
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    from whatsit.sklearn import HeadClassifier, WhatsitEmbedder

    if not hasattr(checks, check):
        pytest.skip(f"this scikit-learn has no {check}")
    for estimator in (HeadClassifier(), WhatsitEmbedder()):
        getattr(checks, check)(type(estimator).__name__, estimator)


def test_sklearn(model):
    pytest.importorskip("sklearn")
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from whatsit.sklearn import HeadClassifier, WhatsitEmbedder

    names = [Path(p).stem for p in SAMPLES[:4]] * 2
    pipeline = make_pipeline(WhatsitEmbedder(), HeadClassifier(strength=10.0))
    assert list(pipeline.fit(SAMPLES[:4] * 2, names).predict(SAMPLES[:4])) == names[:4]
    assert np.allclose(pipeline.predict_proba(SAMPLES[:4]).sum(axis=1), 1, atol=1e-5)
    rows = model.embed_images(SAMPLES[:2])
    noise = np.random.default_rng(2).normal(0, 0.02, (24, model.embedding_dim)).astype(np.float32)
    X, y = np.repeat(rows, 12, axis=0) + noise, np.repeat(["one", "other"], 12)
    assert cross_val_score(HeadClassifier(), X, y, cv=3).mean() == 1
    with pytest.raises(ValueError, match="two classes"):
        HeadClassifier().fit(X, ["one"] * 24)
    with pytest.raises(whatsit.WhatsitError):
        HeadClassifier().fit(X[:, :5], y)
