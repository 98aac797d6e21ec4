"""Embeddings of many pictures in parts, in the layout of clip-retrieval: img_emb/img_emb_NNNN.npy and
metadata/metadata_NNNN.parquet (or .jsonl). A part is whole or not there, and one that is there is skipped.

>>> from whatsit.bulk import embed_shards
>>> embed_shards("shards/{000..099}.tar", "vectors")          # webdataset: one part for each tar
>>> embed_shards("train-{00000..00007}.parquet", "vectors")   # tables with pictures in a column: one part for each file
>>> embed_shards(["a.jpg", "b.jpg"], "vectors", part_size=1000)

On a cluster give each worker its share: embed_shards(..., shard=i, n_shards=n).
"""
from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np

from ._core import Model, WhatsitError

_PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".hif", ".avif", ".tif", ".tiff", ".jxl")
_CHUNK = 256  # pictures in memory at a time


def expand(pattern: str) -> List[str]:
    """shards/{000..002}.tar -> three names, as a shell does it; several braces multiply."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    return [name for i in range(int(first), int(last) + 1)
            for name in expand(f"{pattern[:found.start()]}{i:0{len(first)}}{pattern[found.end():]}")]


def _of_tar(path: str) -> Iterator[Tuple[Dict[str, Any], bytes]]:
    """Pictures of a webdataset tar with what lies beside them: key, caption (.txt), fields of .json."""
    sample: Dict[str, Any] = {}
    data: Optional[bytes] = None
    with tarfile.open(path, "r|*") as tar:
        for member in tar:
            if not member.isfile():
                continue
            folder, _, name = member.name.rpartition("/")
            stem, _, ending = name.partition(".")
            key = f"{folder}/{stem}" if folder else stem
            if sample.get("key") != key:
                if data is not None:
                    yield sample, data
                sample, data = {"key": key}, None
            handle = tar.extractfile(member)
            content = handle.read() if handle else b""
            if f".{ending.lower()}" in _PICTURES:
                data = content
                sample["image_path"] = f"{path}/{member.name}"
            elif ending == "txt":
                sample["caption"] = content.decode("utf-8", "replace").strip()
            elif ending == "json":
                try:
                    sample["json"] = json.dumps(json.loads(content), sort_keys=True)
                except ValueError:
                    sample["json"] = ""
    if data is not None:
        yield sample, data


def _of_paths(paths: Sequence[str]) -> Iterator[Tuple[Dict[str, Any], Any]]:
    for path in paths:
        yield {"image_path": str(path)}, path


def _of_table(path: str, column: str) -> Iterator[Tuple[Dict[str, Any], Any]]:
    """Pictures in a column of a Parquet or Arrow file: bytes, or {"bytes", "path"} as Hugging Face's datasets have them. Other
    columns of texts, numbers and truth values go into the record."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.endswith(".parquet"):
        batches: Iterator[Any] = pq.ParquetFile(path).iter_batches(batch_size=_CHUNK)
    else:
        mapped = pa.memory_map(path)
        try:
            file = pa.ipc.open_file(mapped)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
        except pa.ArrowInvalid:  # written as a stream
            batches = iter(pa.ipc.open_stream(pa.memory_map(path)))
    row = 0
    for batch in batches:
        if column not in batch.schema.names:
            raise WhatsitError("argument", f"{path}: has no column '{column}', only {', '.join(batch.schema.names)}")
        plain = [field.name for field in batch.schema if field.name != column
                 and (pa.types.is_primitive(field.type) or pa.types.is_string(field.type) or pa.types.is_large_string(field.type))
                 and not pa.types.is_temporal(field.type)]
        for begin in range(0, len(batch), _CHUNK):
            for record in batch.slice(begin, _CHUNK).select([*plain, column]).to_pylist():
                image = record.pop(column)
                name = image.get("path") if isinstance(image, dict) else None
                values = {key: None if value != value else value for key, value in record.items()}
                yield {"image_path": name or f"{path}/{row}", **values}, image.get("bytes") if isinstance(image, dict) else image
                row += 1


def _why(model: Model, data: Any) -> str:
    """Of a picture that could not be read."""
    try:
        model.embed_images([data])
    except (WhatsitError, ValueError, OSError, TypeError) as error:
        return str(error)
    return ""


def _write(path: Path, write: Any) -> None:
    """Beside, then renamed: the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        if beside.exists():
            beside.unlink()


def _write_table(path: Path, records: List[Dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        keys = sorted({key for record in records for key in record})
        table = pa.table({key: [record.get(key) for record in records] for key in keys})
        _write(path, lambda file: pq.write_table(table, file))
    else:
        lines = "".join(json.dumps(record, sort_keys=True) + "\n" for record in records)
        _write(path, lambda file: file.write(lines.encode()))


def _remove_remainders(out: Path) -> None:
    """What runs that were killed left of parts that are whole by now. Those of other parts may be in use."""
    for path in [*out.glob("*/.*_*.*"), *out.glob("*/*.tmp-*")]:
        found = re.match(r"\.?(?:img_emb|metadata|bad|manifest)_(\d+)\.", path.name)
        if found and (out / "manifest" / f"manifest_{found[1]}.json").exists():
            path.unlink(missing_ok=True)


def _chunks(items: Iterator[Any]) -> Iterator[List[Any]]:
    while True:
        chunk = [item for _, item in zip(range(_CHUNK), items)]
        if not chunk:
            return
        yield chunk


def embed_shards(inputs: Union[str, Sequence[str]], into: Union[str, "os.PathLike[str]"], *,
                 model: Union[str, Model] = "nano", part_size: int = 10000, shard: int = 0, n_shards: int = 1,
                 table: str = "jsonl", column: str = "image") -> Dict[str, int]:
    """Embeds pictures part by part into the folder `into`; returns {"n_in", "n_out", "n_bad", "skipped"} of this call.

    inputs: tars of a webdataset, or tables (.parquet, .arrow; need pyarrow) whose `column` holds files of pictures (names or
    a pattern with braces; each is a part), or paths of pictures (part_size of them are a part). shard, n_shards: only
    parts shard, shard + n_shards, ... table: "jsonl" or "parquet" (needs pyarrow). Memory does not grow with the number
    of pictures in a part beyond their vectors and what is known of them, and a table's row group.
    """
    if table not in ("jsonl", "parquet") or not 0 <= shard < n_shards:
        raise ValueError("table is 'jsonl' or 'parquet', and shard is from 0 to n_shards - 1")
    names = expand(inputs) if isinstance(inputs, str) else [os.fspath(name) for name in inputs]
    tars = bool(names) and all(name.endswith((".tar", ".tar.gz")) for name in names)
    tables = bool(names) and all(name.endswith((".parquet", ".arrow")) for name in names)
    parts: List[Any] = [*names]
    if not tars and not tables:
        parts = [names[i:i + part_size] for i in range(0, len(names), part_size)]
    opened = model if isinstance(model, Model) else Model(model)
    out, total = Path(into), {"n_in": 0, "n_out": 0, "n_bad": 0, "skipped": 0}
    for number in range(shard, len(parts), n_shards):
        part = parts[number]
        of = [part] if tars else [part, column] if tables else part
        key = hashlib.sha256("\0".join([opened.fingerprint, *of]).encode()).hexdigest()
        manifest = out / "manifest" / f"manifest_{number:04}.json"
        if manifest.exists():
            if json.loads(manifest.read_text()).get("key") != key:
                raise WhatsitError("mismatch", f"{manifest}: is of other pictures or another model: write elsewhere")
            total["skipped"] += 1
            continue
        rows, records, bad = [], [], []
        for chunk in _chunks(_of_tar(part) if tars else _of_table(part, column) if tables else _of_paths(part)):
            vectors = opened.embed_images([data for _, data in chunk], errors="nan")
            good = ~np.isnan(vectors[:, 0])
            rows.append(vectors[good])
            records += [record for (record, _), fine in zip(chunk, good) if fine]
            bad += [{**record, "error": _why(opened, data)} for (record, data), fine in zip(chunk, good) if not fine]
        vectors = np.concatenate(rows) if rows else np.empty((0, opened.embedding_dim), np.float32)
        _write(out / "img_emb" / f"img_emb_{number:04}.npy", lambda file, v=vectors: np.save(file, v))
        _write_table(out / "metadata" / f"metadata_{number:04}.{table}", records)
        _write_table(out / "bad" / f"bad_{number:04}.jsonl", bad)
        counts = {"n_in": len(records) + len(bad), "n_out": len(records), "n_bad": len(bad)}
        said = {"part": number, **counts, "model": opened.name, "fingerprint": opened.fingerprint,
                "dim": opened.embedding_dim, "normalised": True, "key": key}
        _write(manifest, lambda file, s=said: file.write(json.dumps(s).encode()))
        for name, count in counts.items():
            total[name] += count
    _remove_remainders(out)
    return total
