"""Parts of many pictures: from lists and webdataset tars, resumed, by shards."""
import io
import json
import tarfile

import numpy as np
import pytest
from test_whatsit import SAMPLES, by_command_line, model  # noqa: F401 (a fixture)

import whatsit
from whatsit.bulk import embed_shards, expand


def test_braces():
    assert expand("a/{08..10}.tar") == ["a/08.tar", "a/09.tar", "a/10.tar"]
    assert expand("{0..1}{0..1}") == ["00", "01", "10", "11"]
    assert expand("plain.tar") == ["plain.tar"]


def write_tar(path, samples):
    with tarfile.open(path, "w") as tar:
        for name, data in samples:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_tars_become_parts(model, tmp_path):  # noqa: F811
    pictures = [open(path, "rb").read() for path in SAMPLES[:3]]
    write_tar(tmp_path / "000.tar", [("a.jpg", pictures[0]), ("a.txt", b"the first"), ("b.jpg", pictures[1]),
                                     ("b.json", b'{"z": 1}')])
    write_tar(tmp_path / "001.tar", [("c.jpg", b"no picture"), ("d.jpg", pictures[2])])
    out = tmp_path / "out"
    total = embed_shards(str(tmp_path / "{000..001}.tar"), out, model=model)
    assert total == {"n_in": 4, "n_out": 3, "n_bad": 1, "skipped": 0}
    want = model.embed_images(SAMPLES[:3])
    assert np.array_equal(np.load(out / "img_emb" / "img_emb_0000.npy"), want[:2])
    assert np.array_equal(np.load(out / "img_emb" / "img_emb_0001.npy"), want[2:])
    records = [json.loads(line) for line in (out / "metadata" / "metadata_0000.jsonl").read_text().splitlines()]
    assert records[0]["caption"] == "the first" and json.loads(records[1]["json"]) == {"z": 1}
    bad = json.loads((out / "bad" / "bad_0001.jsonl").read_text())
    assert bad["key"] == "c" and "not a picture" in bad["error"]


def test_parts_are_resumed_and_sharded_and_equal_the_command_line(model, tmp_path):  # noqa: F811
    whole = embed_shards(SAMPLES, tmp_path / "whole", model=model, part_size=4)
    assert whole["n_out"] == len(SAMPLES)
    for shard in (1, 0):
        embed_shards(SAMPLES, tmp_path / "parts", model=model, part_size=4, shard=shard, n_shards=2)
    (tmp_path / "parts" / "manifest" / "manifest_0001.json").unlink()  # as if it had died before the last step
    assert embed_shards(SAMPLES, tmp_path / "parts", model=model, part_size=4) == {
        "n_in": 4, "n_out": 4, "n_bad": 0, "skipped": 3}
    for path in (tmp_path / "whole").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "parts" / path.relative_to(tmp_path / "whole")).read_bytes()
    with pytest.raises(whatsit.WhatsitError, match="other pictures"):
        embed_shards(SAMPLES[1:], tmp_path / "parts", model=model, part_size=4)


@pytest.mark.parametrize("form", ["parquet", "arrow file", "arrow stream"])
def test_tables_become_parts(model, tmp_path, form):  # noqa: F811
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pictures = [open(path, "rb").read() for path in SAMPLES[:2]] + [b"no picture", None]
    as_of_datasets = pa.array([{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(pictures)])
    table = pa.table({"image": as_of_datasets if form == "parquet" else pictures, "caption": ["a", "b", "c", None], "label": [3, 1, 4, 1]})
    name = tmp_path / f"pictures.{form.split()[0]}"
    if form == "parquet":
        pq.write_table(table, name)
    else:
        with (pa.ipc.new_file if form == "arrow file" else pa.ipc.new_stream)(name, table.schema) as writer:
            writer.write_table(table)
    total = embed_shards([str(name)], tmp_path / "out", model=model)
    assert total == {"n_in": 4, "n_out": 2, "n_bad": 2, "skipped": 0}
    assert np.array_equal(np.load(tmp_path / "out" / "img_emb" / "img_emb_0000.npy"), model.embed_images(SAMPLES[:2]))
    records = [json.loads(line) for line in (tmp_path / "out" / "metadata" / "metadata_0000.jsonl").read_text().splitlines()]
    paths = ["0.jpg", "1.jpg"] if form == "parquet" else [f"{name}/0", f"{name}/1"]
    assert records == [{"image_path": paths[0], "caption": "a", "label": 3}, {"image_path": paths[1], "caption": "b", "label": 1}]
    with pytest.raises(whatsit.WhatsitError, match="no column 'jpg'"):
        embed_shards([str(name)], tmp_path / "other", model=model, column="jpg")


def test_parquet(model, tmp_path):  # noqa: F811
    pq = pytest.importorskip("pyarrow.parquet")
    embed_shards(SAMPLES[:2], tmp_path / "out", model=model, table="parquet")
    table = pq.read_table(tmp_path / "out" / "metadata" / "metadata_0000.parquet")
    assert table.column("image_path").to_pylist() == SAMPLES[:2]
