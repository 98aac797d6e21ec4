#!/usr/bin/env python3
"""Spark: mapInPandas (or, with --udf, a pandas UDF) over the binaryFile source, written as Parquet (path, embedding).

    spark_embed.py FOLDER OUT [WORKERS] [--udf]        or: spark-submit spark_embed.py ...

A worker that dies fails its task, which is tried again. A picture that cannot be read has NaN."""
import os
import sys
from typing import Iterator

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import pandas_udf


def embed_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    import whatsit

    model = whatsit.Model(threads=1)  # once for each task
    for batch in batches:
        rows = model.embed_images(map(bytes, batch["content"]), errors="nan")
        yield pd.DataFrame({"path": batch["path"], "embedding": list(rows)})


def embed_column(contents: Iterator[pd.Series]) -> Iterator[pd.Series]:
    import whatsit

    model = whatsit.Model(threads=1)
    for content in contents:
        yield pd.Series(list(model.embed_images(map(bytes, content), errors="nan")))


def main(folder, out, workers=2, udf=False):
    builder = SparkSession.builder.appName("whatsit").config("spark.sql.execution.arrow.maxRecordsPerBatch", "64")
    # A partition is 32 MB of pictures; Spark would count each as 4 MB at least, and give a task eight of them.
    builder = builder.config("spark.sql.files.maxPartitionBytes", str(32 << 20)).config("spark.sql.files.openCostInBytes", "65536")
    builder = builder.config("spark.ui.enabled", "false")
    if "SPARK_ENV_LOADED" not in os.environ:  # by hand, not by spark-submit: this machine, four tries a task
        builder = builder.master(f"local[{workers},4]")
    spark = builder.getOrCreate()
    files = spark.read.format("binaryFile").load(folder).select("path", "content")
    if udf:
        embed = pandas_udf(embed_column, "array<float>")
        rows = files.select("path", embed("content").alias("embedding"))
    else:
        rows = files.mapInPandas(embed_batches, "path string, embedding array<float>")
    rows.write.parquet(out)
    spark.stop()


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[3:] if word != "--udf"]
    main(sys.argv[1], sys.argv[2], *numbers, udf="--udf" in sys.argv)
