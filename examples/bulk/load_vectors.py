#!/usr/bin/env python3
"""Takes the parts that `whatsit embed --into DIR` wrote to where vectors are searched, and asks each for the nearest of
some rows: the answers have to be those of a plain product in NumPy.

    load_vectors.py DIR [numpy|faiss|usearch|duckdb|lancedb|pgvector ...]

What is not installed is said to be skipped. pgvector takes the database that $PGVECTOR_URL names."""
import importlib.util
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

N_QUERIES, K = 20, 5


def read_parts(folder):
    """All rows and the path of each: img_emb/img_emb_N.npy beside metadata/metadata_N.jsonl (or .parquet)."""
    rows, paths = [], []
    for table in sorted((folder / "img_emb").glob("img_emb_*.npy")):
        name = folder / "metadata" / table.stem.replace("img_emb", "metadata")
        if name.with_suffix(".parquet").exists():
            import pyarrow.parquet as pq

            listed = pq.read_table(name.with_suffix(".parquet"))["image_path"].to_pylist()
        else:
            listed = [json.loads(line)["image_path"] for line in name.with_suffix(".jsonl").open()]
        part = np.load(table, mmap_mode="r")
        if len(part) != len(listed):
            raise SystemExit(f"{table}: {len(part)} rows, and {len(listed)} names")
        rows.append(part)
        paths += listed
    return np.concatenate(rows), paths


def with_numpy(rows, paths, queries):
    return np.argsort(-(queries @ rows.T), axis=1, kind="stable")[:, :K]


def with_faiss(rows, paths, queries):
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return index.search(queries, K)[1]


def with_usearch(rows, paths, queries):
    from usearch.index import Index

    index = Index(ndim=rows.shape[1], metric="cos", dtype="f32", expansion_search=256)
    index.add(np.arange(len(rows)), rows)
    return np.array(index.search(queries, K).keys).reshape(len(queries), K)


def with_duckdb(rows, paths, queries):
    import duckdb
    import pyarrow as pa

    flat = pa.array(rows.reshape(-1))
    pictures = pa.table({"row": pa.array(range(len(rows))), "path": paths,
                         "embedding": pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])})
    base = duckdb.connect()
    base.register("parts", pictures)
    base.execute(f"CREATE TABLE pictures AS SELECT row, path, embedding::FLOAT[{rows.shape[1]}] AS embedding FROM parts")
    ask = (f"SELECT row FROM pictures ORDER BY array_inner_product(embedding, ?::FLOAT[{rows.shape[1]}]) DESC, row "
           f"LIMIT {K}")
    return np.array([[row for row, in base.execute(ask, [query.tolist()]).fetchall()] for query in queries])


def with_lancedb(rows, paths, queries):
    import lancedb

    with tempfile.TemporaryDirectory() as folder:
        table = lancedb.connect(folder).create_table("pictures", [
            {"row": i, "path": path, "vector": row} for i, (path, row) in enumerate(zip(paths, rows))])
        return np.array([[hit["row"] for hit in table.search(query).distance_type("cosine").limit(K).to_list()]
                         for query in queries])


def with_pgvector(rows, paths, queries):
    import psycopg2

    with psycopg2.connect(os.environ["PGVECTOR_URL"]) as base, base.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute(f"CREATE TEMP TABLE pictures (row int, path text, embedding vector({rows.shape[1]}))")
        for i, (path, row) in enumerate(zip(paths, rows)):
            cursor.execute("INSERT INTO pictures VALUES (%s, %s, %s)", (i, path, str(row.tolist())))
        found = []
        for query in queries:
            cursor.execute(f"SELECT row FROM pictures ORDER BY embedding <#> %s, row LIMIT {K}", (str(query.tolist()),))
            found.append([row for row, in cursor.fetchall()])
        return np.array(found)


WAYS = {"numpy": with_numpy, "faiss": with_faiss, "usearch": with_usearch, "duckdb": with_duckdb,
        "lancedb": with_lancedb, "pgvector": with_pgvector}
PACKAGES = {"pgvector": "psycopg2"}
APPROXIMATE = {"usearch": 0.95}  # share of the true neighbours that has to be found


def main():
    rows, paths = read_parts(Path(sys.argv[1]))
    queries = rows[np.linspace(0, len(rows) - 1, N_QUERIES).astype(int)]
    cosines = queries @ rows.T
    least = -np.sort(-cosines, axis=1)[:, K - 1]
    failed = False
    for name in sys.argv[2:] or WAYS:
        if not importlib.util.find_spec(PACKAGES.get(name, name)) or (name == "pgvector" and "PGVECTOR_URL" not in os.environ):
            print(f"{name}: skipped, it is not here")
            continue
        found = np.asarray(WAYS[name](rows, paths, queries), int)
        # Equal cosines may come in any order, so what counts is that none of the answers is below the K-th.
        right = np.take_along_axis(cosines, found, axis=1) >= least[:, None] - 1e-6
        good = found.shape == (len(queries), K) and right.mean() >= APPROXIMATE.get(name, 1.0)
        failed = failed or not good
        print(f"{name}: {len(rows)} rows, {right.mean():.3f} of the {K} nearest: {'good' if good else 'WRONG'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
