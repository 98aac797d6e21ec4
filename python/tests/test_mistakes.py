"""What people hand over by mistake, or in a form of their own: one clear line, or the command line's answer."""
import pickle
import re
import threading

import numpy as np
import pytest
from test_whatsit import SAMPLES, by_command_line, model  # noqa: F401 (a fixture)

import whatsit

PIXELS = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)


@pytest.mark.parametrize("image, error, says", [
    (7, TypeError, "not int"),
    (None, TypeError, "not NoneType"),
    ([[1, 2, 3]], TypeError, "not list"),
    ("a\0b.jpg", ValueError, "NUL"),
    ("", whatsit.WhatsitError, "No such file"),
    ("/", whatsit.WhatsitError, "/"),
    (b"", whatsit.WhatsitError, "not a picture|empty"),
    (PIXELS.astype(np.float32) / 255, ValueError, r"not float32 \[40, 60, 3\]"),
    (PIXELS.astype(np.uint16), ValueError, "not uint16"),
    (PIXELS[:, :, 0], ValueError, r"not uint8 \[40, 60\]"),
    (PIXELS.transpose(2, 0, 1), ValueError, r"not uint8 \[3, 40, 60\]"),
    (np.empty((0, 60, 3), np.uint8), whatsit.WhatsitError, "size"),
    (np.broadcast_to(np.uint8(0), (1 << 20, 1 << 20, 3)), ValueError, "million"),
])
def test_what_is_no_picture(model, image, error, says):  # noqa: F811
    with pytest.raises(error, match=says) as caught:
        model.embed_images([image])
    assert "\n" not in str(caught.value).strip() and str(caught.value)
    rows = model.embed_images([image, PIXELS], errors="nan")
    assert np.isnan(rows[0]).all() and not np.isnan(rows[1]).any()


def test_arrays_as_they_lie(model):  # noqa: F811
    want = model.embed_images([PIXELS])[0]
    fixed = PIXELS.copy()
    fixed.flags.writeable = False
    wide = np.repeat(PIXELS, 2, axis=1)[:, ::2]
    assert not wide.flags.c_contiguous
    assert all(np.array_equal(want, row) for row in model.embed_images([fixed, wide, np.asfortranarray(PIXELS)]))
    assert np.array_equal(model.embed_images(np.stack([PIXELS, PIXELS])), np.stack([want, want]))


def test_one_where_several_may_stand(model):  # noqa: F811
    want = model.embed_images([SAMPLES[0]])
    data = open(SAMPLES[0], "rb").read()
    assert all(np.array_equal(want, model.embed_images(one)) for one in (SAMPLES[0], data, memoryview(data)))
    assert model.embed_images(PIXELS).shape == (1, model.embedding_dim)
    assert np.array_equal(model.embed_images(path for path in SAMPLES[:3]), model.embed_images(SAMPLES[:3]))
    assert whatsit.Describer(model)(PIXELS) == whatsit.Describer(model)([PIXELS])
    for nothing in (7, None):
        with pytest.raises(TypeError, match="iterable"):
            model.embed_images(nothing)
    assert whatsit.Head.from_labels(model, ["a", "b"])([]) == [] and model.embed_texts([]).shape == (0, model.embedding_dim)


def odd_forms(PIL, folder):
    """PNG and TIFF files of the forms that PIL has modes for."""
    photo = PIL.open(SAMPLES[1]).convert("RGB").resize((90, 60))
    hole = PIL.linear_gradient("L").resize(photo.size)
    deep = np.asarray(photo.convert("L")).astype(np.uint16) * 200
    clear = photo.quantize(20)
    turned = PIL.Exif()
    turned[0x0112] = 6
    from PIL import ImageCms

    for name, image, words in [
            ("plain", photo, {}), ("grey", photo.convert("L"), {}), ("bits", photo.convert("1"), {}),
            ("palette", photo.quantize(20), {}), ("hole-in-palette", clear, {"transparency": 3}),
            ("alpha", PIL.merge("RGBA", [*photo.split(), hole]), {}), ("grey-alpha", PIL.merge("LA", [photo.convert("L"), hole]), {}),
            ("deep", PIL.fromarray(deep), {}), ("colour-key", photo, {"transparency": photo.getpixel((5, 5))}),
            ("turned", photo, {"exif": turned}), ("turned-alpha", PIL.merge("RGBA", [*photo.split(), hole]), {"exif": turned}),
            ("profile", photo, {"icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()})]:
        path = folder / f"{name}.png"
        image.save(path, **words)
        yield name, str(path)


def test_every_mode_of_pil_is_read_as_its_file_is(model, tmp_path):  # noqa: F811
    PIL = pytest.importorskip("PIL.Image")
    names, paths = zip(*odd_forms(PIL, tmp_path))
    rows = model.embed_images(PIL.open(path) for path in paths)
    said = by_command_line("embed", *(word for path in paths for word in ("--image", path)))
    for name, row, line in zip(names, rows, said):
        assert np.array_equal(row, np.array(line["embedding"], np.float32)), name
    inks = PIL.open(paths[0]).convert("CMYK")
    assert np.array_equal(model.embed_images(inks), model.embed_images(inks.convert("RGB")))
    for path, mode in ((paths[5], "RGBa"), (paths[6], "La")):  # multiplied by alpha already, and divided again
        straight, multiplied = model.embed_images([PIL.open(path), PIL.open(path).convert(mode)])
        assert straight @ multiplied > 0.99
    with pytest.raises(ValueError, match="mode F"):
        model.embed_images([PIL.open(paths[1]).convert("F")])
    with pytest.raises(ValueError, match="0 to 65535"):
        model.embed_images([PIL.fromarray(np.full((4, 4), 70000, np.int32))])


def test_a_broken_picture_of_pil(model, tmp_path):  # noqa: F811
    PIL = pytest.importorskip("PIL.Image")
    path = tmp_path / "half.jpg"
    path.write_bytes(open(SAMPLES[0], "rb").read()[:3000])
    with pytest.raises(OSError, match="truncated"):
        model.embed_images([PIL.open(path)])
    assert np.isnan(model.embed_images([PIL.open(path)], errors="nan")).all()


def test_words(model):  # noqa: F811
    for texts, error, says in [(["a", 7], TypeError, "not int"), ([b"a"], TypeError, "not bytes"), (["a\0b"], ValueError, "NUL"),
                               (b"a", TypeError, "not one bytes"), (None, TypeError, "iterable")]:
        with pytest.raises(error, match=says):
            model.embed_texts(texts)
    for words, error, says in [({"labels": "cat,dog"}, TypeError, "not one str"), ({"labels": ["a", "a"]}, whatsit.WhatsitError, "a"),
                               ({"labels": ["a", "b"], "templates": "a photo of {}"}, TypeError, "not one str"),
                               ({"labels": ["a", "b"], "templates": ["a photo"]}, whatsit.WhatsitError, "{}"),
                               ({"labels": ["a", "b"], "groups": ["one"]}, ValueError, "1 groups for 2 labels"),
                               ({"labels": ["a", None]}, TypeError, "not NoneType")]:
        with pytest.raises(error, match=re.escape(says)):
            whatsit.Head.from_labels(model, **words)
    assert whatsit.Head.from_labels(model, (word for word in ("a", "b"))).labels == ["a", "b"]
    with pytest.raises(whatsit.WhatsitError, match="no-such-list"):
        whatsit.Head.from_list(model, "no-such-list")


def test_numbers(model, tmp_path):  # noqa: F811
    dim = model.embedding_dim
    head = whatsit.Head.from_labels(model, ["a", "b"])
    for rows in (np.zeros((1, 3)), np.zeros((1, dim, 2)), []):
        with pytest.raises(ValueError, match=f"takes .n, {dim}."):
            head.scores(rows)
    for top in (0, -1):
        with pytest.raises(ValueError, match="top"):
            head.answers(np.ones(dim), top)
    with pytest.raises(ValueError, match="threads"):
        whatsit.Model(threads=-1)
    with pytest.raises(ValueError, match="sentences"):
        whatsit.Describer(model)(SAMPLES[0], n=0)
    with pytest.raises(whatsit.WhatsitError):
        whatsit.Describer(model)(SAMPLES[0], n=9)
    rows = np.eye(3, dim, dtype=np.float32)
    for labels, error, says in [(["a", "b"], ValueError, "2 labels for"), ("aab", TypeError, "not one str"),
                                (["a"] * 3, whatsit.WhatsitError, "label")]:
        with pytest.raises(error, match=says):
            whatsit.Head.from_embeddings(model, rows, labels)
    with pytest.raises(whatsit.WhatsitError):
        whatsit.Head.from_embeddings(model, np.full((3, dim), np.nan), ["a", "b", "a"])
    index = whatsit.Index(tmp_path / "few", model)
    assert index.search(rows[0])[0].size == 0
    index.append(rows)
    assert index.search(rows[1], 10**12)[0].tolist()[0] == 1
    for words, says in [((rows[0], 0), "k is"), ((rows, 1), "a query of"), ((rows[0], 1, [True]), "mask of shape")]:
        with pytest.raises(ValueError, match=says):
            index.search(*words)
    with pytest.raises(ValueError, match="the index takes"):
        index.append(np.zeros((2, dim, 2)))


def test_a_model_that_is_none(tmp_path):
    (tmp_path / "no.gguf").write_bytes(b"no model")
    (tmp_path / "folder").mkdir()
    for name in (tmp_path / "no.gguf", tmp_path / "folder", "no-such-model", ""):
        with pytest.raises(whatsit.WhatsitError) as caught:
            whatsit.Model(name)
        assert str(caught.value) and "\n" not in str(caught.value)
    for name, error in ((7, TypeError), ("a\0b", ValueError)):
        with pytest.raises(error):
            whatsit.Model(name)


def test_eight_threads_ask_everything(model, tmp_path):  # noqa: F811
    head = whatsit.Head.from_labels(model, ["dog", "pizza", "ship"])
    want = head(SAMPLES[:4]), model.embed_texts(["a", "b"])
    right = []

    def ask():
        got = head(SAMPLES[:4]), model.embed_texts(["a", "b"])
        right.append(got[0] == want[0] and np.array_equal(got[1], want[1]))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert right == [True] * 8


def test_heads_and_estimators_are_pickled(model):  # noqa: F811
    head = whatsit.Head.from_labels(model, ["dog", "pizza"])
    again = pickle.loads(pickle.dumps(head))
    assert again.labels == head.labels and again(SAMPLES[:2]) == head(SAMPLES[:2])
    pytest.importorskip("sklearn")
    from sklearn.pipeline import make_pipeline
    from whatsit.sklearn import HeadClassifier, WhatsitEmbedder

    fitted = make_pipeline(WhatsitEmbedder(), HeadClassifier(strength=10.0)).fit(SAMPLES[:4], ["a", "b", "a", "b"])
    kept = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(kept.predict_proba(SAMPLES[:4]), fitted.predict_proba(SAMPLES[:4]))
