#!/usr/bin/env python3
"""/v1/index and /v1/search: pictures that clients put are found again; on SQLite, on PostgreSQL, and with its pgvector."""
import json
import os
import shutil
import sqlite3
import urllib.parse

import postgres
import serving
from serving import SKIPPED, multipart, text_of, tiny_model

GUEST, OTHER = {"X-Forwarded-For": "203.0.113.5"}, {"X-Forwarded-For": "203.0.113.6"}


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def by_hand(rows, query):
    """Ids, the largest cosine first, equal ones in order."""
    return [i for _, i in sorted((-dot(row, query), i) for i, row in rows.items())]


def same_order(found, rows, query):
    """As by hand, but for neighbours whose cosines differ by less than what single precision keeps."""
    scores = [dot(rows[f["id"]], query) for f in found]
    assert all(a > b - 2e-6 for a, b in zip(scores, scores[1:])), scores
    assert all(abs(f["score"] - s) < 2e-6 for f, s in zip(found, scores))
    best = dot(rows[by_hand(rows, query)[len(found) - 1]], query)
    assert scores[-1] > best - 2e-6


def put_and_search(room, database, kind):
    n = 520 if kind == "scan" else 150  # more than one page of a scan
    server = room.serve("--max-pictures", str(n + 60), "--keep-pictures", str(n + 50), database=database)
    keys = [room.key(name, "--rate", "-1", database=database) for name in ("a", "b")]
    ask, other = server.client(keys[0]).call, server.client(keys[1]).call
    pictures = {f"p{i:03}": tiny_model.png(12, 8, i) for i in range(n)}
    names = list(pictures)
    for begin in range(0, len(names), 64):
        items = [{"id": n, "image": text_of(pictures[n]), "meta": {"n": n}} for n in names[begin:begin + 64]]
        answer = ask("POST", "/v1/index", {"items": items}, expect=200).json
        assert [i["id"] for i in answer["items"]] == [i["id"] for i in items] and "error" not in answer["items"][0]
    rows = {}
    for begin in range(0, len(names), 260):
        some = names[begin:begin + 260]
        rows.update(zip(some, ask("POST", "/v1/embed", {"images": [text_of(pictures[n]) for n in some]}, expect=200).json["embeddings"]))
    status = ask("GET", "/v1/index", expect=200).json
    assert (status["pictures"], status["most"], status["search"]) == (n, n + 50, kind), status
    assert status["models"][0]["model"] == "tiny"
    # by words, by a picture, by one that is there, mixed, subtracted
    words = dict(zip("cd", ask("POST", "/v1/embed", {"texts": ["cat", "dog"]}, expect=200).json["embeddings"]))
    found = ask("GET", "/v1/search?q=cat&top=30&min=0", expect=200).json
    assert found["min"] == 0 and found["results"][0]["meta"] == {"n": found["results"][0]["id"]}
    same_order(found["results"], rows, words["c"])
    assert len(ask("POST", "/v1/search?q=cat&min=0", expect=200).json["results"]) == 20
    same_order(ask("POST", "/v1/search?top=1000", pictures["p130"], expect=200).json["results"], rows, rows["p130"])
    like = ask("GET", "/v1/search?like_id=p007&top=5", expect=200).json
    assert like["results"][0]["id"] == "p007" and like["min"] is None and like["results"][0]["confidence"] is None
    same_order(like["results"], rows, rows["p007"])
    mixed = {"q": "cat", "not": ["dog"], "like_id": "p100", "like": text_of(pictures["p120"]), "top": 50}
    query = [c - d + x + y for c, d, x, y in zip(words["c"], words["d"], rows["p100"], rows["p120"])]
    length = dot(query, query) ** 0.5
    same_order(ask("POST", "/v1/search", mixed, expect=200).json["results"], rows, [x / length for x in query])
    # nobody sees, and nobody changes, what is somebody else's
    assert other("GET", "/v1/search?like_id=p007", expect=404) and other("GET", "/v1/index", expect=200).json["pictures"] == 0
    assert other("GET", "/v1/search?q=cat&min=0", expect=200).json["results"] == []
    other("DELETE", "/v1/index/p007", expect=404)
    other("GET", "/v1/index/p007", expect=404)
    # replaced, deleted; ids may look like paths
    ask("POST", "/v1/index?id=p007&meta=" + urllib.parse.quote('{"new":1}'), pictures["p008"], expect=200)
    seen = ask("GET", "/v1/index/p007", expect=200).json
    assert (seen["meta"], seen["model"], seen["expires_ms"]) == ({"new": 1}, "tiny", None)
    assert {f["id"] for f in ask("POST", "/v1/search?top=2", pictures["p008"], expect=200).json["results"]} == {"p007", "p008"}
    body, form = multipart([("id", "/photos/ä 1.jpg".encode())], [("image", room.picture)])
    ask("POST", "/v1/index", body, {"Content-Type": form}, 200)
    path = "/v1/index/" + urllib.parse.quote("/photos/ä 1.jpg", safe="")
    assert ask("GET", path, expect=200).json["id"] == "/photos/ä 1.jpg"
    ask("DELETE", path, expect=204)
    ask("DELETE", path, expect=404)
    # a picture that cannot be read spoils no other; then all room is taken
    answer = ask("POST", "/v1/index", {"items": [{"id": "x", "image": "a" * 40}, {"id": "y", "image": text_of(room.picture)}]}, expect=200)
    assert answer.json["items"][0]["error"]["code"] == "not_a_picture" and answer.json["items"][1] == {"id": "y"}
    one = text_of(room.picture)
    ask("POST", "/v1/index", {"items": [{"id": f"m{i}", "image": one} for i in range(49)]}, expect=200)
    ask("POST", "/v1/index", {"items": [{"id": "m1", "image": one}, {"id": "more", "image": one}]}, expect=413)  # all or none
    assert ask("POST", "/v1/index?id=more", room.picture, expect=413).json["error"]["code"] == "too_many"
    ask("POST", "/v1/index?id=m1", room.picture, expect=200)  # in its own place there is
    other("POST", "/v1/index", {"items": [{"id": f"m{i}", "image": one} for i in range(10)]}, expect=200)
    assert "this server" in other("POST", "/v1/index?id=m10", room.picture, expect=413).json["error"]["message"]
    ask("DELETE", "/v1/index/m1", expect=204)
    other("POST", "/v1/index?id=m10", room.picture, expect=200)
    assert ask("GET", "/v1/index", expect=200).json["pictures"] == n + 49
    # it is all there after a kill
    server.kill()
    server.again()
    ask = server.client(keys[0]).call
    assert ask("GET", "/v1/index", expect=200).json["pictures"] == n + 49
    assert ask("GET", "/v1/search?like_id=p100&top=1", expect=200).json["results"][0]["id"] == "p100"


def test_sqlite(room):
    put_and_search(room, None, "scan")


def test_postgres(room):
    """Without pgvector, which a role may be too weak to install, all rows are looked at; with it the database finds them."""
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed")
        return SKIPPED
    with postgres.Postgres() as database:
        database.sql("CREATE ROLE weak LOGIN; CREATE DATABASE weak OWNER weak")
        weak = database.url.replace("whatsit@/postgres", "weak@/weak")
        available = "vector" in database.sql("SELECT name FROM pg_available_extensions WHERE name = 'vector'")
        trusted = available and "t" in database.sql(
            "SELECT DISTINCT trusted FROM pg_available_extension_versions WHERE name = 'vector'").split()
        put_and_search(room, weak, "pgvector" if trusted else "scan")
        if not available:
            print("skipped: pgvector is not installed, so PostgreSQL was searched by a scan only")
            return SKIPPED
        put_and_search(room, database.url, "pgvector")


def test_refusals(room):
    ask = room.serve().client().call
    for query, status in (("", 422), ("?id=", 422), ("?id=a&meta=1", 422), ("?id=a&meta={", 422), ("?id=a&met={}", 422),
                          ("?id=a%0ab", 422), ("?id=" + "x" * 513, 422), ("?id=a&model=none", 404)):
        ask("POST", "/v1/index" + query, room.picture, expect=status)
    ask("POST", "/v1/index?id=a", b"no picture", expect=415)
    good = {"id": "a", "image": text_of(room.picture)}
    for body, status in (({}, 422), ({"items": []}, 422), ({"items": [good] * 65}, 422), ({"items": [5]}, 422),
                         ({"items": [{**good, "meta": "x"}]}, 422), ({"items": [{"id": "a"}]}, 422),
                         ({"items": [{**good, "image": "!"}]}, 400), ({"items": [{**good, "text": "x"}]}, 422),
                         ({"items": [{**good, "meta": {"x": "y" * 5000}}]}, 422)):
        ask("POST", "/v1/index", body, expect=status)
    ask("GET", "/v1/index?x=1", expect=422)
    assert ask("GET", "/v1/index", expect=200).json["pictures"] == 0
    for query, status in (("", 400), ("?q=", 400), ("?not=a", 400), ("?q=a&top=0", 400), ("?q=a&top=1001", 400), ("?q=a&top=x", 400),
                          ("?q=a&min=2", 400), ("?q=a&min=x", 400), ("?q=a&mim=0", 422), ("?q=a&q=b", 422), ("?q=a&model=none", 404),
                          ("?like_id=none", 404)):
        ask("GET", "/v1/search" + query, expect=status)
    for body, status in (({"q": 5}, 422), ({"q": "a", "min": "x"}, 422), ({"like": "!"}, 400), ({"q": "a", "not": [""]}, 422),
                         ({"q": "a", "top": 1.5}, 422), ({"like": ["a"] * 17}, 422), ({"q": "a", "min": 0.25}, 200), ({"q": "a", "min": 1}, 200)):
        ask("POST", "/v1/search", body, expect=status)
    assert ask("POST", "/v1/search?q=a", {"q": "a"}, expect=422).json["error"]["code"] == "twice"


def test_guests(room):
    """What an address without a key puts is its own, is little, and ends."""
    server = room.serve("--anonymous", "--rate", "1000", "--guest-days", "1")
    ask = server.client().call
    ask("POST", "/v1/index?id=here", room.picture, expect=200)
    ask("POST", "/v1/index?id=mine", room.picture, GUEST, 200)
    assert ask("GET", "/v1/index", headers=GUEST, expect=200).json["most"] == 1000
    expires = ask("GET", "/v1/index/mine", headers=GUEST, expect=200).json["expires_ms"]
    assert expires and not ask("GET", "/v1/index/here", expect=200).json["expires_ms"]
    for headers, ids in ((GUEST, ["mine"]), (OTHER, []), ({}, ["here"])):
        assert [f["id"] for f in ask("POST", "/v1/search", room.picture, headers, 200).json["results"]] == ids
    with sqlite3.connect(room.database) as store:
        store.execute("UPDATE vectors SET expires_ms = 5 WHERE id = 'mine'")
    store.close()
    ask("GET", "/v1/index/mine", headers=GUEST, expect=404)
    assert ask("POST", "/v1/search", room.picture, GUEST, 200).json["results"] == []
    read = room.key("r", "--read-only")
    server.client(read).call("POST", "/v1/index?id=a", room.picture, expect=403)
    server.client(read).call("GET", "/v1/search?q=a", expect=200)


def test_as_the_command_line(room):
    """The shipped model: the same photos, with the same scores and the same confidence, as 'whatsit search' finds."""
    shutil.copy(os.path.join(room.source, "heads", "nouns.txt"), os.path.join(room.path, "share", "heads"))
    model, samples = os.path.join(room.source, "models", "whatsit-nano.gguf"), os.path.join(room.source, "samples")
    photos = os.path.join(room.path, "photos")
    os.makedirs(photos)
    names = [n for n in sorted(os.listdir(samples)) if n.endswith(".jpg")][:8] + ["bernese-mountain-dog.jpg", "schooner.jpg", "pizza.jpg"]
    ask = room.serve(model=model).client().call
    for name in sorted(set(names)):
        shutil.copy(os.path.join(samples, name), photos)
        with open(os.path.join(samples, name), "rb") as file:
            ask("POST", "/v1/index?id=" + name, file.read(), expect=200)
    room.run("index", photos, "--model", model)
    n_found = 0
    for words in ("a dog", "a sailing ship", "pizza", "a submarine", "an umbrella in the rain"):
        for least in (None, 0):
            said = room.run("search", *words.split(), "--model", model, "--json", "--top", "5", *([] if least is None else ["--min", "0"]))
            wanted = [json.loads(line) for line in said.splitlines()]
            got = ask("POST", "/v1/search", {"q": words, "top": 5, "min": least}, expect=200).json
            assert got["min"] == (0.4 if least is None else 0)
            assert [os.path.basename(w["path"]) for w in wanted] == [f["id"] for f in got["results"]], (words, wanted, got)
            for w, f in zip(wanted, got["results"]):
                assert abs(w["score"] - f["score"]) < 2e-3 and abs(w["confidence"] - f["confidence"]) < 0.02, (w, f)
            n_found += len(wanted) if least is None else 0
            assert least is None or len(wanted) == 5
    assert n_found > 0
    best = ask("GET", "/v1/search?q=a%20dog&top=1", expect=200).json["results"]
    assert best[0]["id"] == "bernese-mountain-dog.jpg" and best[0]["confidence"] > 0.4


if __name__ == "__main__":
    serving.main([test_sqlite, test_postgres, test_refusals, test_guests, test_as_the_command_line])
