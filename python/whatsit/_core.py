"""Models, heads and indexes of the C library, over NumPy arrays."""
from __future__ import annotations

import contextlib
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple, Optional, Union

import numpy as np

import numpy.typing as npt

from . import _native

Floats = npt.NDArray[np.float32]
ffi: Any = _native.ffi  # whatever stubs of cffi say: they know no function of the library

_here = Path(__file__).parent
_lib = ffi.dlopen(str(_here / "libwhatsit.so"))
_BATCH = 16  # pictures that are encoded together
_MAX_PIXELS = 200_000_000  # of an array: as many as the library takes from a file

#: A path, a file's bytes (any buffer of bytes), a PIL image, or pixels as uint8 [height, width, 3]: an array, or what
#: gives one by DLPack without a copy, such as a tensor in main memory.
Image = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, npt.NDArray[np.uint8], Any]


class WhatsitError(RuntimeError):
    """What the library says went wrong; `status` is its short name ("format", "io", "mismatch", ...)."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


def version() -> str:
    """The version of the library inside the package."""
    return str(ffi.string(_lib.wi_version()).decode())


class _Errors:
    """A place for the library's error, turned into an exception when a call fails."""

    def __init__(self) -> None:
        self.place = ffi.new("wi_error *")

    def check(self, status: int, what: str = "") -> None:
        if status != _lib.WI_OK:
            message = ffi.string(self.place.message).decode("utf-8", "replace")
            if what and not message.startswith(what):
                message = f"{what}: {message}" if message else what
            raise WhatsitError(ffi.string(_lib.wi_status_name(status)).decode(), message)


def _string(pointer: Any) -> str:
    return str(ffi.string(pointer).decode("utf-8", "replace")) if pointer != ffi.NULL else ""


def _text(text: str) -> Any:
    if not isinstance(text, str):
        raise TypeError(f"a text is a str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("a text holds a NUL character, behind which the library would see nothing")
    return ffi.new("char[]", text.encode())


def _text_array(texts: Iterable[str], what: str = "texts") -> "tuple[Any, list[Any]]":
    """const char *[n], and what keeps its strings alive."""
    if isinstance(texts, (str, bytes)):
        raise TypeError(f"{what}: a list of them, not one {type(texts).__name__}")
    kept = [_text(text) for text in texts]
    return ffi.new("const char *[]", kept or 1), kept


def _path(path: "str | os.PathLike[str]") -> bytes:
    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("a path holds a NUL character")
    return name


def _floats(array: Floats) -> Any:
    return ffi.cast("float *", array.ctypes.data)


def _rows(embeddings: npt.ArrayLike, dim: int, whose: str) -> Floats:
    """float32 [n, dim] of embeddings [n, dim] or of one [dim]."""
    rows = np.ascontiguousarray(np.atleast_2d(np.asarray(embeddings)), np.float32)
    if rows.ndim != 2 or rows.shape[1] != dim:
        raise ValueError(f"embeddings of shape {list(np.shape(embeddings))}; the {whose} takes [n, {dim}]")
    return rows


def _is_one(images: Any) -> bool:
    """One picture, where several may stand."""
    return (isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(images, "convert")
            or getattr(images, "ndim", 0) == 3)


def _from_pil(image: Any) -> Any:
    """A PIL image as the library reads a file of it: transparency on white, 16 bits, a colour profile and the camera's way up are
    the library's business, so whatever has them goes to it as a PNG. The rest, as pixels."""
    from PIL import ImageOps

    if image.mode == "F":
        raise ValueError("a PIL image of mode F: nothing says what its numbers mean; convert it to 8 or 16 bits")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        if image.mode == "I":
            low, high = image.getextrema()
            if low < 0 or high > 65535:
                raise ValueError(f"a PIL image of mode I with numbers from {low} to {high}: only 0 to 65535 are pixels")
        image = image.convert("I;16")
    elif image.mode in ("La", "PA", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    holds = image.mode in ("1", "L", "RGB") and ("icc_profile" in image.info or "transparency" in image.info)
    if holds or image.mode in ("I;16", "LA", "P", "RGBA"):
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=0)
        return file.getvalue()
    return np.asarray(image.convert("RGB"))


def _from_array(image: Any) -> "npt.NDArray[np.uint8]":
    if not isinstance(image, np.ndarray):
        if not hasattr(image, "__dlpack__") and not hasattr(image, "__array__"):
            raise TypeError("a picture is a path, the bytes of a file, a PIL image, or pixels as uint8 [height, width, 3], "
                            f"not {type(image).__name__}")
        image = np.from_dlpack(image) if hasattr(image, "__dlpack__") else np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"pixels are uint8 [height, width, 3], not {image.dtype} {list(image.shape)}")
    if image.shape[0] * image.shape[1] > _MAX_PIXELS:
        raise ValueError(f"pixels of {image.shape[1]} x {image.shape[0]}: more than {_MAX_PIXELS // 1_000_000} million")
    return np.ascontiguousarray(image)


# Engines of this process, by number of threads. A child of fork() has none of its parent's threads, so it
# begins anew; weights are mapped, and both share their pages.
_generation = 0
_engines: "dict[int, Any]" = {}
_engines_lock = threading.Lock()


def _forget_threads() -> None:
    global _generation, _engines_lock
    _generation += 1
    _engines.clear()
    _engines_lock = threading.Lock()


os.register_at_fork(after_in_child=_forget_threads)


def _engine(n_threads: int) -> Any:
    with _engines_lock:
        if n_threads not in _engines:
            errors, out = _Errors(), ffi.new("wi_engine **")
            options = ffi.new("wi_engine_options *", {"n_threads": n_threads})
            errors.check(_lib.wi_engine_open(options, out, errors.place))
            _engines[n_threads] = out[0]
        return _engines[n_threads]


def _shipped(*names: str) -> Path:
    return _here.joinpath("share", *names)


def shipped_lists() -> "list[str]":
    """Names of the label lists that come with the package, for Head.from_list."""
    return sorted(p.stem for p in _shipped("heads").glob("*.txt") if not p.stem.endswith(".templates"))


def _find_model(name: str) -> str:
    shipped = _shipped("models", "whatsit-nano.gguf")
    if name in ("nano", "whatsit-nano") and shipped.exists():
        return str(shipped)
    errors, path = _Errors(), ffi.new("char[]", 4096)
    errors.check(_lib.wi_model_find(_path(name), path, 4096, errors.place))
    return os.fsdecode(ffi.string(path))


class Model:
    """An image tower and a text tower. Threads may share it; children of fork() may use it.

    name: "nano" (the default, in the package), the name of a model that `whatsit pull` brought, or the path of a
    model file or folder.
    threads: of one call; 0: one per core.
    """

    def __init__(self, name: "str | os.PathLike[str]" = "nano", threads: int = 0) -> None:
        if threads < 0:
            raise ValueError(f"threads is 0 (one per core) or more, not {threads}")
        self.path = _find_model(os.fsdecode(name))
        self._threads = threads
        self._lock = threading.Lock()
        self._open()

    def _open(self) -> None:
        errors, out = _Errors(), ffi.new("wi_model **")
        self._engine = _engine(self._threads)
        errors.check(_lib.wi_model_open(self._engine, os.fsencode(self.path), ffi.NULL, out, errors.place))
        generation = _generation
        # In a child of fork() the parent's sessions wait for threads that are not there: they are left alone.
        self._handle = ffi.gc(out[0], lambda m: _generation == generation
                              and _lib.wi_model_close(ffi.new("wi_model **", m)))
        self._sessions: "list[Any]" = []
        self._generation = generation
        info = ffi.new("wi_model_info *")
        errors.check(_lib.wi_model_get_info(self._handle, info, errors.place))
        self._info = info
        self.name = _string(info.name)
        self.fingerprint = _string(info.fingerprint)
        self.embedding_dim = int(info.embedding_dim)
        self.image_px = int(info.image_px)
        self._speaks = bool(info.decoder.present)
        # The command line's rule for how large a JPEG has to be decoded.
        how = info.preprocess
        self._wanted_px = 0 if how.mode == _lib.WI_RESIZE_NONE else int(how.resize_px or how.size_px)
        self.logit_scale = float(info.logit_scale)
        self.licence = _string(info.licence)

    def __repr__(self) -> str:
        return f"<whatsit.Model {self.name} {self.fingerprint[:8]} dim={self.embedding_dim}>"

    def __reduce__(self) -> Any:  # spawned workers open it anew: the file is mapped, so that is cheap
        return (Model, (self.path, self._threads))

    @contextlib.contextmanager
    def _session(self) -> Iterator[Any]:
        """A session of its own for each thread that encodes at the moment."""
        if self._generation != _generation:
            self._lock = threading.Lock()
            self._open()
        with self._lock:
            session = self._sessions.pop() if self._sessions else None
        if session is None:
            errors, out = _Errors(), ffi.new("wi_session **")
            options = ffi.new("wi_session_options *", {"max_images": _BATCH})
            errors.check(_lib.wi_session_open(self._handle, options, out, errors.place))
            generation, model = _generation, self._handle
            session = ffi.gc(out[0], lambda s, _m=model: _generation == generation
                             and _lib.wi_session_close(ffi.new("wi_session **", s)))
        try:
            yield session
        finally:
            with self._lock:
                self._sessions.append(session)

    def _pixels(self, image: Image, out: "npt.NDArray[np.uint8]") -> None:
        """One picture -> the network's input, into out[px, px, 3]. Runs in threads: the library lets go of the
        interpreter while it works."""
        errors, handle = _Errors(), ffi.new("wi_image **")
        options = ffi.new("wi_image_options *", {"target_px": self._wanted_px})
        what, kept = "", None  # type: str, Any
        if hasattr(image, "convert"):
            image = _from_pil(image)
        if isinstance(image, (str, os.PathLike)):
            what = os.fsdecode(image)
            status = _lib.wi_image_from_file(_path(image), options, handle, errors.place)
        elif isinstance(image, (bytes, bytearray, memoryview)):
            kept = ffi.from_buffer(image)
            status = _lib.wi_image_from_memory(kept, len(kept), options, handle, errors.place)
        else:
            kept = _from_array(image)
            status = _lib.wi_image_from_rgb(ffi.cast("uint8_t *", kept.ctypes.data), kept.shape[1], kept.shape[0],
                                            handle, errors.place)
        errors.check(status, what)
        try:
            errors.check(_lib.wi_image_preprocess(self._engine, handle[0], ffi.addressof(self._info, "preprocess"),
                                                  ffi.cast("uint8_t *", out.ctypes.data), errors.place), what)
        finally:
            _lib.wi_image_close(handle)

    def _batches(self, images: "Iterable[Image] | Image", errors: str) -> "Iterator[tuple[int, npt.NDArray[np.uint8], list[Any]]]":
        """Decoded batches in order: how many, their pixels, and the exception of each that failed (else None)."""
        px, workers = self.image_px, self._threads or os.cpu_count() or 1

        def load(job: "tuple[Image, npt.NDArray[np.uint8]]") -> "Optional[Exception]":
            try:
                self._pixels(*job)
            except Exception as error:  # PIL has many, when it reads what it opened
                if errors == "raise" or isinstance(error, MemoryError):
                    raise
                return error
            return None

        several: Any = [images] if _is_one(images) else images
        items = iter(several)
        with ThreadPoolExecutor(workers) as pool:
            waiting: "list[tuple[npt.NDArray[np.uint8], list[Any]]]" = []
            while True:
                while len(waiting) < 3:  # bounded: what is decoded ahead stays small
                    chunk = [item for _, item in zip(range(_BATCH), items)]
                    if not chunk:
                        break
                    pixels = np.empty((len(chunk), px, px, 3), np.uint8)
                    waiting.append((pixels, [pool.submit(load, job) for job in zip(chunk, pixels)]))
                if not waiting:
                    return
                pixels, jobs = waiting.pop(0)
                yield len(jobs), pixels, [job.result() for job in jobs]

    def embed_images(self, images: "Iterable[Image] | Image", *, normalise: bool = True, errors: str = "raise") -> Floats:
        """Embeddings of pictures: float32 [n, embedding_dim], rows of length 1 unless normalise is False.

        images: see `Image`; any iterable, which is read as it is needed, or one picture. errors: "raise", or "nan": a picture that
        cannot be read becomes a row of NaN. Equal to the command line's, bit for bit.
        """
        if errors not in ("raise", "nan"):
            raise ValueError("errors is 'raise' or 'nan'")
        parts = []
        with self._session() as session:
            for n, pixels, failed in self._batches(images, errors):
                good = [i for i in range(n) if failed[i] is None]
                used = pixels if len(good) == n else np.ascontiguousarray(pixels[good])
                out = np.empty((len(good), self.embedding_dim), np.float32)
                place = _Errors()
                place.check(_lib.wi_session_encode_images(session, ffi.cast("uint8_t *", used.ctypes.data), len(good),
                                                          _floats(out), place.place))
                if normalise:
                    _lib.wi_normalise(_floats(out), len(good), self.embedding_dim)
                if len(good) < n:
                    whole = np.full((n, self.embedding_dim), np.nan, np.float32)
                    whole[good] = out
                    out = whole
                parts.append(out)
        return np.concatenate(parts) if parts else np.empty((0, self.embedding_dim), np.float32)

    def embed_texts(self, texts: "Iterable[str] | str", *, normalise: bool = True) -> Floats:
        """Embeddings of texts: float32 [n, embedding_dim], rows of length 1 unless normalise is False."""
        array, listed = _text_array([texts] if isinstance(texts, str) else texts)
        out = np.empty((len(listed), self.embedding_dim), np.float32)
        errors = _Errors()
        with self._session() as session:
            errors.check(_lib.wi_session_encode_texts(session, array, len(listed), _floats(out), ffi.NULL, ffi.NULL,
                                                      errors.place))
        if normalise:
            _lib.wi_normalise(_floats(out), len(listed), self.embedding_dim)
        return out


class Caption(NamedTuple):
    """A sentence about a picture. mean_prob: the geometric mean of its words' probabilities; sure: it reaches what true
    captions reach, and below that it is better not shown; None: of this describer nobody measured that."""

    text: str
    logprob: float
    mean_prob: float
    sure: Optional[bool]


class Describer:
    """Sentences about pictures, by what a model's image tower sees. Threads take turns.

    path: a describer that was made for the model; None: the model itself where it describes (CoCa), else the one in the
    package, which describes for "nano".
    """

    def __init__(self, model: Model, path: "str | os.PathLike[str] | None" = None) -> None:
        self.model = model
        shipped = None if model._speaks else str(_shipped("models", "whatsit-describe.gguf"))
        self.path = os.fsdecode(path) if path is not None else shipped
        self._lock = threading.Lock()
        self._generation = -1
        with self._lock:
            self._open()

    def _open(self) -> None:
        """Anew in a child of fork(), as the model's sessions are."""
        if self._generation == _generation:
            return
        with self.model._session():  # the model itself is opened anew there
            pass
        errors, decoder, out = _Errors(), ffi.new("wi_model **"), ffi.new("wi_describer **")
        generation, kept = _generation, self.model._handle
        self._decoder = kept
        if self.path is not None:
            errors.check(_lib.wi_model_open(self.model._engine, _path(self.path), ffi.NULL, decoder, errors.place))
            self._decoder = ffi.gc(decoder[0], lambda m: _generation == generation
                                   and _lib.wi_model_close(ffi.new("wi_model **", m)))
        options = ffi.new("wi_describer_options *", {"max_images": _BATCH})
        errors.check(_lib.wi_describer_open(kept, self._decoder, options, out, errors.place))
        self._handle = ffi.gc(out[0], lambda d, _m=(kept, self._decoder): _generation == generation
                              and _lib.wi_describer_close(ffi.new("wi_describer **", d)))
        self._has_scale = bool(_lib.wi_describer_has_scale(self._handle))
        self._generation = generation

    def __reduce__(self) -> Any:
        return (Describer, (self.model, self.path))

    def __call__(self, images: "Iterable[Image] | Image", n: int = 1, about: "Optional[str]" = None,
                 beam: int = 0) -> "list[list[Caption]]":
        """The n best sentences (1 to 8) of each picture, best first; all begin with the words `about`. beam: sentences
        followed at a time, 0: 3, or n."""
        if n < 1 or beam < 0:
            raise ValueError(f"n is 1 to 8 sentences, not {n}" if n < 1 else f"beam is 0 to 8 sentences, not {beam}")
        words = ffi.NULL if about is None else _text(about)
        how = ffi.new("wi_describe_options *", {"n_captions": n, "beam": beam, "about": words})
        found: "list[list[Caption]]" = []
        for count, pixels, _failed in self.model._batches(images, "raise"):
            errors = _Errors()
            captions, n_out = ffi.new("wi_caption[]", count * n), ffi.new("size_t[]", count)
            with self._lock:
                self._open()
                errors.check(_lib.wi_describe(self._handle, ffi.cast("uint8_t *", pixels.ctypes.data), count, how,
                                              captions, n_out, ffi.NULL, errors.place))
            for i in range(count):
                rows = [captions[i * n + j] for j in range(n_out[i])]
                found.append([Caption(ffi.string(c.text).decode("utf-8", "replace"), float(c.logprob),
                                      float(c.mean_prob), bool(c.sure) if self._has_scale else None) for c in rows])
        return found


class Answer(NamedTuple):
    """One label of a head and its probability."""

    label: str
    score: float


class Head:
    """Labels, and what turns an embedding into a probability for each. Made by the class methods."""

    def __init__(self, model: Model, handle: Any) -> None:
        self.model = model
        self._handle = ffi.gc(handle, lambda h: _lib.wi_head_close(ffi.new("wi_head **", h)))
        info = ffi.new("wi_head_info *")
        _lib.wi_head_get_info(self._handle, info)
        self.name = _string(info.name)
        self.kind = _string(_lib.wi_head_kind_name(info.kind))
        self.dim = int(info.dim)
        self.sensitivity = _string(info.sensitivity)
        self.labels = [_string(_lib.wi_head_label(self._handle, i)) for i in range(info.n_labels)]

    def __repr__(self) -> str:
        return f"<whatsit.Head {self.name!r} {self.kind} of {len(self.labels)} labels>"

    @classmethod
    def from_labels(cls, model: Model, labels: Iterable[str], *, templates: Iterable[str] = (), name: str = "labels",
                    groups: "Optional[Iterable[str]]" = None, independent: bool = False) -> "Head":
        """A zero-shot head. Labels may have synonyms ("cat|kitty"); a template has one {} for the label. groups: one for
        each label."""
        errors, out = _Errors(), ffi.new("wi_head **")
        array, kept = _text_array(labels, "labels")
        prompts, kept_prompts = _text_array(templates, "templates")
        grouping, kept_groups = _text_array(groups or [], "groups")
        if groups is not None and len(kept_groups) != len(kept):
            raise ValueError(f"{len(kept_groups)} groups for {len(kept)} labels")
        text = _text(name)
        recipe = ffi.new("wi_head_recipe *", {"name": text, "labels": array, "n_labels": len(kept),
                                              "templates": prompts, "n_templates": len(kept_prompts),
                                              "groups": grouping if kept_groups else ffi.NULL, "sigmoid": independent})
        with model._session() as session:
            errors.check(_lib.wi_head_build(session, recipe, out, ffi.NULL, errors.place))
        del kept, kept_prompts, kept_groups
        return cls(model, out[0])

    @classmethod
    def from_list(cls, model: Model, name: "str | os.PathLike[str]") -> "Head":
        """A zero-shot head of a label list: the name of a shipped one (shipped_lists()) or a file's path."""
        path = _shipped("heads", f"{name}.txt")
        errors, out, items = _Errors(), ffi.new("wi_head **"), ffi.new("wi_label_list **")
        errors.check(_lib.wi_label_list_open(_path(path if path.exists() else name), items, errors.place))
        try:
            recipe = ffi.new("wi_head_recipe *")
            _lib.wi_label_list_recipe(items[0], recipe)
            with model._session() as session:
                errors.check(_lib.wi_head_build(session, recipe, out, ffi.NULL, errors.place))
        finally:
            _lib.wi_label_list_close(items)
        return cls(model, out[0])

    @classmethod
    def from_embeddings(cls, model: Model, embeddings: npt.ArrayLike, labels: Iterable[Any], *, name: str = "photos",
                        strength: float = 0.0, balanced: bool = False) -> "Head":
        """A linear head trained on embeddings [n, dim] and their labels (n of them, any number of kinds >= 2).

        strength: scikit-learn's C; 0: chosen by cross-validation.
        """
        if isinstance(labels, (str, bytes)):
            raise TypeError(f"labels: a list of them, not one {type(labels).__name__}")
        listed = [str(label) for label in labels]
        names = sorted(set(listed))
        at = {label: i for i, label in enumerate(names)}
        rows = np.ascontiguousarray(embeddings, np.float32)
        numbers = np.array([at[label] for label in listed], np.uint32)
        if rows.ndim != 2 or len(rows) != len(numbers):
            raise ValueError(f"{len(numbers)} labels for embeddings of shape {list(rows.shape)}")
        errors, out = _Errors(), ffi.new("wi_head **")
        array, kept = _text_array(names)
        text = _text(name)
        training = ffi.new("wi_training *", {
            "name": text, "labels": array, "n_labels": len(names), "strength": strength, "balanced": balanced,
            "photos": {"embeddings": _floats(rows), "labels": ffi.cast("uint32_t *", numbers.ctypes.data),
                       "n": rows.shape[0], "dim": rows.shape[1]}})
        errors.check(_lib.wi_head_train(model._handle, training, out, ffi.NULL, errors.place))
        del kept
        return cls(model, out[0])

    @classmethod
    def from_examples(cls, model: Model, images: Iterable[Image], labels: Iterable[Any], **how: Any) -> "Head":
        """The same from photos."""
        return cls.from_embeddings(model, model.embed_images(images), labels, **how)

    @classmethod
    def load(cls, model: Model, path: "str | os.PathLike[str]") -> "Head":
        """A head file (safetensors), also one that the command line made. It must belong to this model."""
        errors, out = _Errors(), ffi.new("wi_head **")
        errors.check(_lib.wi_head_open(ffi.NULL, _path(path), out, errors.place))
        head = cls(model, out[0])
        errors.check(_lib.wi_head_check_model(head._handle, model._handle, errors.place))
        return head

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Writes the head file, whole or not at all."""
        errors = _Errors()
        errors.check(_lib.wi_head_save(self._handle, _path(path), errors.place))

    def __reduce__(self) -> Any:
        """As the head file's bytes, with the model's path."""
        errors, out, n = _Errors(), ffi.new("wi_sink **"), ffi.new("size_t *")
        errors.check(_lib.wi_sink_to_memory(out, errors.place))
        try:
            errors.check(_lib.wi_head_write(self._handle, out[0], errors.place))
            errors.check(_lib.wi_sink_commit(out[0], errors.place))
            return (_head_of_bytes, (self.model, bytes(ffi.buffer(_lib.wi_sink_bytes(out[0], n), n[0]))))
        finally:
            _lib.wi_sink_close(out)

    def scores(self, embeddings: npt.ArrayLike) -> Floats:
        """Probabilities float32 [n, n_labels] of embeddings [n, dim], in the order of `labels`."""
        rows = _rows(embeddings, self.dim, "head")
        out = np.empty((len(rows), len(self.labels)), np.float32)
        errors = _Errors()
        for i in range(len(rows)):
            errors.check(_lib.wi_head_scores(self._handle, _floats(rows[i]), self.dim, _floats(out[i]), ffi.NULL,
                                             ffi.NULL, errors.place))
        return out

    def answers(self, embeddings: npt.ArrayLike, top: int = 5) -> "list[list[Answer]]":
        """The best answers for each row, best first."""
        if top < 1:
            raise ValueError(f"top is 1 or more answers, not {top}")
        scores = self.scores(embeddings)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
        return [[Answer(self.labels[j], float(scores[i, j])) for j in order[i]] for i in range(len(scores))]

    def __call__(self, images: "Iterable[Image] | Image", top: int = 5) -> "list[list[Answer]]":
        """The best answers for each picture, best first."""
        return self.answers(self.model.embed_images(images), top)


def _head_of_bytes(model: Model, content: bytes) -> Head:
    errors, out = _Errors(), ffi.new("wi_head **")
    errors.check(_lib.wi_head_open_memory(ffi.NULL, ffi.from_buffer(content), len(content), out, errors.place))
    head = Head(model, out[0])
    errors.check(_lib.wi_head_check_model(head._handle, model._handle, errors.place))
    return head


class Index:
    """Embeddings in two growing files, searched by a query (see `whatsit index` for whole photo libraries).

    Threads may search at once; one at a time appends, and nothing else at the same time. Children of fork() and of spawn
    search what was there when they first did, and cannot append.
    """

    def __init__(self, path: "str | os.PathLike[str]", model: "Optional[Model]" = None, *, read_only: bool = False,
                 threads: int = 0) -> None:
        """Opens the index, or makes an empty one for the model's embeddings."""
        self.path = os.fsdecode(path)
        self._threads = threads
        self._open(model, read_only)
        self.dim = int(self._info().dim)

    def _open(self, model: "Optional[Model]", read_only: bool) -> None:
        errors, out = _Errors(), ffi.new("wi_index **")
        fingerprint = ffi.new("char[]", model.fingerprint.encode()) if model else ffi.NULL
        options = ffi.new("wi_index_options *", {"dim": model.embedding_dim if model and not read_only else 0,
                                                 "fingerprint": fingerprint, "read_only": read_only})
        errors.check(_lib.wi_index_open(_engine(self._threads), _path(self.path), options, out, errors.place))
        generation = _generation
        self._opened = ffi.gc(out[0], lambda i: _generation == generation
                              and _lib.wi_index_close(ffi.new("wi_index **", i)))
        self._generation = generation

    @property
    def _handle(self) -> Any:
        """A child of fork() has none of the threads that would search for it, so it opens the index anew, to read."""
        if self._generation != _generation:
            self._open(None, True)
        return self._opened

    def __reduce__(self) -> Any:
        return (_open_reader, (self.path, self._threads))

    def _info(self) -> Any:
        info, errors = ffi.new("wi_index_info *"), _Errors()
        errors.check(_lib.wi_index_get_info(self._handle, info, errors.place))
        return info

    def __len__(self) -> int:
        return int(self._info().n_rows)

    def append(self, embeddings: npt.ArrayLike) -> int:
        """Appends rows [n, dim]; returns the number of the first. They are on disk when this returns."""
        rows = _rows(embeddings, self.dim, "index")
        errors, first = _Errors(), ffi.new("uint64_t *")
        errors.check(_lib.wi_index_append(self._handle, _floats(rows), len(rows), first, errors.place))
        errors.check(_lib.wi_index_sync(self._handle, errors.place))
        return int(first[0])

    def search(self, query: npt.ArrayLike, k: int = 10,
               mask: "Optional[npt.ArrayLike]" = None) -> "tuple[npt.NDArray[np.int64], Floats]":
        """The k nearest rows to query [dim]: their numbers (int64) and cosines (float32), best first.

        mask: bool [len(self)], rows that count.
        """
        wanted = np.ascontiguousarray(query, np.float32).reshape(-1)
        if len(wanted) != self.dim:
            raise ValueError(f"a query of {len(wanted)} numbers; the index holds {self.dim}")
        if k < 1:
            raise ValueError(f"k is 1 or more rows, not {k}")
        k = min(k, max(len(self), 1))
        bits = ffi.NULL
        if mask is not None:
            flags = np.asarray(mask, bool)
            if flags.shape != (len(self),):
                raise ValueError(f"a mask of shape {list(flags.shape)} for {len(self)} rows")
            packed = np.packbits(flags, bitorder="little")
            bits = ffi.cast("uint8_t *", packed.ctypes.data)
        errors, n = _Errors(), ffi.new("size_t *")
        hits = ffi.new("wi_index_hit[]", k)
        errors.check(_lib.wi_index_search(self._handle, _floats(wanted), k, bits, hits, n, errors.place))
        return (np.array([hits[i].row for i in range(n[0])], np.int64),
                np.array([hits[i].score for i in range(n[0])], np.float32))


def _open_reader(path: str, threads: int) -> Index:
    return Index(path, read_only=True, threads=threads)
