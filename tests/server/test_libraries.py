#!/usr/bin/env python3
"""`serve --library`: the photos that 'whatsit index' knows are searched as the command line does, and their small copies are
made, kept within a bound, and shown to nobody else than those who may."""
import glob
import json
import os
import shutil
import struct
import urllib.parse

import serving
from serving import text_of, tiny_model

GUEST = {"X-Forwarded-For": "203.0.113.5"}
THUMBNAIL, PREVIEW = 320, 1024


def size_of_jpeg(data):
    """(width, height) of a baseline or progressive JPEG."""
    assert data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9", data[:20]
    at = 2
    while True:
        mark, n = struct.unpack(">HH", data[at:at + 4])
        if 0xFFC0 <= mark <= 0xFFC2:
            height, width = struct.unpack(">HH", data[at + 5:at + 9])
            return width, height
        at += 2 + n


def photos_of(room, names=(), model=None):
    """A library 'photos' of pictures made here and of samples; (folder, {name: bytes})."""
    folder = os.path.join(room.path, "home", "Pictures")
    os.makedirs(os.path.join(folder, "2024"), exist_ok=True)
    pictures = {"2024/wide.png": tiny_model.png(96, 48, 1), "tall.png": tiny_model.png(40, 120, 2), "ä ö.png": tiny_model.png(64, 64, 3)}
    for name in names:
        with open(os.path.join(room.source, "samples", name), "rb") as file:
            pictures[name] = file.read()
    for name, data in pictures.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    room.run("index", folder, "--model", model or room.model)
    return folder, pictures


def all_of(ask, **more):
    found = ask("GET", "/v1/search?library=photos&min=0&top=100&q=cat", expect=200, **more).json["results"]
    return {one["meta"]["path"]: one["id"] for one in found}


def test_search(room):
    folder, pictures = photos_of(room)
    server = room.serve("--library", "photos")
    ask = server.client().call
    assert ask("GET", "/v1/libraries", expect=200).json == {"libraries": [{"name": "photos", "models": [{"model": "tiny", "photos": 3}]}]}
    ids = all_of(ask)
    assert set(ids) == {"Pictures/" + name for name in pictures}, ids  # where the folder lies is not told
    one = ask("GET", "/v1/libraries/photos/photos/" + ids["Pictures/2024/wide.png"], expect=200).json
    assert one["id"] == ids["Pictures/2024/wide.png"]
    assert (one["meta"]["width_px"], one["meta"]["height_px"], one["meta"]["copies"]) == (96, 48, 1) and one["meta"]["taken"][:2] == "20"
    # by one that is there, by one that is sent; a name that needs quoting
    for how in (ask("GET", "/v1/search?library=photos&top=1&like_id=" + ids["Pictures/tall.png"], expect=200),
                ask("POST", "/v1/search?library=photos&top=1", pictures["tall.png"], expect=200),
                ask("POST", "/v1/search", {"library": "photos", "top": 1, "like": text_of(pictures["tall.png"])}, expect=200)):
        assert how.json["results"][0]["id"] == ids["Pictures/tall.png"] and how.json["results"][0]["score"] > 0.999
        assert how.json["min"] is None and how.json["results"][0]["confidence"] is None
    # the own index is another thing
    assert ask("GET", "/v1/search?q=cat&min=0", expect=200).json["results"] == []
    # what is indexed meanwhile is found, also after a rebuild; a copy counts once, and what is gone leaves
    shutil.copy(os.path.join(folder, "tall.png"), os.path.join(folder, "2024", "again.png"))
    with open(os.path.join(folder, "new.png"), "wb") as file:
        file.write(tiny_model.png(50, 50, 9))
    room.run("index", "--model", room.model)
    assert len(all_of(ask)) == 4 and "Pictures/new.png" in all_of(ask)
    copied = ask("GET", "/v1/libraries/photos/photos/" + ids["Pictures/tall.png"], expect=200).json["meta"]
    assert copied["copies"] == 2 and copied["path"] == "Pictures/2024/again.png"
    os.unlink(os.path.join(folder, "new.png"))
    room.run("index", "--model", room.model, "--rebuild")
    assert len(all_of(ask)) == 3
    for query, status in (("library=none&q=a", 404), ("library=photos", 400), ("library=photos&like_id=none", 404),
                          ("library=photos&like_id=" + "0" * 64, 404), ("library=&q=a", 404)):
        ask("GET", "/v1/search?" + query, expect=status)


def test_names_that_are_no_text(room):
    folder, _ = photos_of(room)
    with open(os.path.join(os.fsencode(folder), b"\xc3\xa4 \xff\xe2\x82 \xe2\x82\xac \xf0\x9f\x90\x95.png"), "wb") as file:
        file.write(tiny_model.png(70, 40, 5))
    room.run("index", "--model", room.model)
    assert "Pictures/ä ??? € 🐕.png" in all_of(room.serve("--library", "photos").client().call)


def test_as_the_command_line(room):
    """The shipped model: the same photos in the same order, with the same confidence, as 'whatsit search' says."""
    shutil.copy(os.path.join(room.source, "heads", "nouns.txt"), os.path.join(room.path, "share", "heads"))
    model = os.path.join(room.source, "models", "whatsit-nano.gguf")
    photos_of(room, [n for n in sorted(os.listdir(os.path.join(room.source, "samples"))) if n.endswith(".jpg")], model)
    ask = room.serve("--library", "photos", model=model).client().call
    n_found = 0
    for words in ("a dog", "a sailing ship", "pizza", "an umbrella in the rain"):
        for least in (None, 0):
            said = room.run("search", *words.split(), "--model", model, "--json", "--top", "5", *([] if least is None else ["--min", "0"]))
            wanted = [json.loads(line) for line in said.splitlines()]
            got = ask("POST", "/v1/search", {"q": words, "top": 5, "min": least, "library": "photos"}, expect=200).json["results"]
            assert [os.path.basename(w["path"]) for w in wanted] == [os.path.basename(f["meta"]["path"]) for f in got], (words, wanted, got)
            for w, f in zip(wanted, got):
                assert abs(w["score"] - f["score"]) < 1e-5 and abs(w["confidence"] - f["confidence"]) < 1e-4, (w, f)
            n_found += len(wanted) if least is None else 0
            assert least is None or len(wanted) == 5
    assert n_found > 0


def decoded(ask):
    """How many pictures the server has decoded."""
    text = ask("GET", "/metrics", expect=200).body.decode()
    lines = [line for line in text.splitlines() if line.startswith("whatsit_decoded_pictures_total{")]
    assert len(lines) == 3, text
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_small_copies(room):
    folder, _ = photos_of(room, ["bernese-mountain-dog.jpg"])
    server = room.serve("--library", "photos")
    ask = server.client().call
    ids = all_of(ask)
    path = "/v1/libraries/photos/photos/"
    for name, small, large in (("2024/wide.png", (320, 160), (1024, 512)), ("tall.png", (107, 320), (341, 1024)), ("ä ö.png", (320, 320), (1024, 1024))):
        one = ids["Pictures/" + name]
        for kind, size in (("thumbnail", small), ("preview", large)):
            answer = ask("GET", f"{path}{one}/{kind}", expect=200)
            assert size_of_jpeg(answer.body) == size, (name, size_of_jpeg(answer.body))
            assert answer.headers["Content-Type"] == "image/jpeg" and answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin" and "Authorization" in answer.headers["Vary"]
            before = decoded(ask)
            again = ask("GET", f"{path}{one}/{kind}", expect=200)
            assert again.body == answer.body and again.headers["ETag"] == answer.headers["ETag"] and decoded(ask) == before
            assert not ask("GET", f"{path}{one}/{kind}", headers={"If-None-Match": answer.headers["ETag"]}, expect=304).body
            assert ask("GET", f"{path}{one}/{kind}", headers={"Range": "bytes=0-9"}, expect=206).body == answer.body[:10]
    kept = glob.glob(os.path.join(room.path, "cache", "whatsit", "thumbnails", "*", "*.jpg"))
    assert len(kept) == 6 and all(os.stat(file).st_mode & 0o077 == 0 for file in kept)
    # they outlive the server; one that a power cut emptied is made again
    open(kept[0], "w").close()
    server.kill()
    server.again()
    ask = server.client().call
    for one in ids.values():
        assert size_of_jpeg(ask("GET", f"{path}{one}/thumbnail", expect=200).body)
    # a photo that was changed, and one that is gone, also where a copy of it is kept
    with open(os.path.join(folder, "tall.png"), "ab") as file:
        file.write(b"more")
    os.unlink(os.path.join(folder, "2024", "wide.png"))
    for name in ("tall.png", "2024/wide.png"):
        answer = ask("GET", f"{path}{ids['Pictures/' + name]}/thumbnail", expect=404).json["error"]
        assert answer["code"] == "gone" and "index" in answer["message"], answer
    # a pipe in its place is not waited for
    os.mkfifo(os.path.join(folder, "2024", "wide.png"))
    ask("GET", f"{path}{ids['Pictures/2024/wide.png']}/thumbnail", expect=404)
    assert ask("GET", f"{path}{ids['Pictures/ä ö.png']}/thumbnail?px=5", expect=422)


def test_bounds(room):
    """The folder of small copies stays within its bound; a photo above --max-body is refused."""
    folder = os.path.join(room.path, "many")
    os.makedirs(folder)
    for i in range(5):
        with open(os.path.join(folder, f"{i}.png"), "wb") as file:
            file.write(tiny_model.png(600, 600, i))
    room.run("index", folder, "--model", room.model)
    ask = room.serve("--library", "photos", "--thumbnails", "1").client().call
    cache = os.path.join(room.path, "cache", "whatsit", "thumbnails")
    sizes = []
    for one in all_of(ask).values():
        sizes.append(len(ask("GET", f"/v1/libraries/photos/photos/{one}/preview", expect=200).body))
        lies = sum(os.path.getsize(file) for file in glob.glob(os.path.join(cache, "*", "*")))
        assert 0 < lies <= 1 << 20, lies
    assert sum(sizes) > 1 << 20, sizes  # or nothing was asked of the bound
    shutil.rmtree(cache)
    ask = room.serve("--library", "photos", "--thumbnails", "0", "--max-body", "1").client().call
    with open(os.path.join(folder, "small.png"), "wb") as file:
        file.write(tiny_model.png(90, 60, 77))
    with open(os.path.join(folder, "large.png"), "wb") as file:
        file.write(tiny_model.png(90, 60, 78) + bytes(1 << 20))
    room.run("index", "--model", room.model)
    ids = all_of(ask)
    assert size_of_jpeg(ask("GET", f"/v1/libraries/photos/photos/{ids['many/small.png']}/thumbnail", expect=200).body) == (320, 213)
    assert not os.path.exists(cache)
    ask("GET", f"/v1/libraries/photos/photos/{ids['many/large.png']}/thumbnail", expect=413)


def test_who_may(room):
    """Photos are the operator's: strangers do not see them, also where they may ask the rest; no path leads out."""
    photos_of(room)
    server = room.serve("--library", "photos", "--anonymous", "--rate", "1000")
    ask = server.client().call
    one = all_of(ask)["Pictures/tall.png"]
    paths = ["/v1/libraries", "/v1/search?library=photos&q=cat", f"/v1/libraries/photos/photos/{one}",
             f"/v1/libraries/photos/photos/{one}/thumbnail", f"/v1/libraries/photos/photos/{one}/preview"]
    port = server.port
    for path in paths:
        assert ask("GET", path, headers=GUEST, expect=401).json["error"]["code"] == "no_key"
        ask("GET", path, headers={"Host": "evil.example"}, expect=403)  # a name that leads to this machine
        ask("GET", path, headers={"Origin": "http://evil.example", "Host": f"127.0.0.1:{port}"}, expect=403)
        ask("GET", path, expect=200)
    ask("POST", "/v1/classify?labels=cat,dog", room.picture, GUEST, 200)
    for path in paths:
        server.client(room.key("reader", "--read-only", "--rate", "-1")).call("GET", path, headers=GUEST, expect=200)
        limited = server.client(room.key("few", "--only-heads", "fruits", "--rate", "-1")).call("GET", path, headers=GUEST, expect=403)
        assert limited.json["error"]["code"] == "limited_key"
    # a network that needs no key: by the server's address, not by a name that a page may have
    server = room.serve("--library", "photos", "--require-key")
    for path in paths:
        server.client().call("GET", path, expect=401)
    server = room.serve("--library", "photos", "--allow", "203.0.113.0/24", "--host", "nas.example")
    ask = server.client().call
    for host, status in (("192.168.1.5:8080", 200), ("[fe80::1]:8080", 200), ("nas.example", 200), ("evil.example:8080", 403), ("192.168.1.5.evil.example", 403)):
        for path in paths:
            ask("GET", path, headers={**GUEST, "Host": host}, expect=status)
    for path in paths:
        ask("GET", path, headers={"X-Forwarded-For": "198.51.100.7"}, expect=401)
    # what is no photo of the library
    secret = os.path.join(room.path, "secret.png")
    with open(secret, "wb") as file:
        file.write(room.picture)
    for bad in (secret, "../../secret.png", "Pictures/tall.png", one.upper(), one[:-1], one + "0", "z" * 64):
        for kind in ("", "/thumbnail", "/preview"):
            ask("GET", "/v1/libraries/photos/photos/" + urllib.parse.quote(bad, safe="") + kind, expect=404)
    for name in ("..", "../photos", "photos/../photos", "other"):
        ask("GET", f"/v1/libraries/{urllib.parse.quote(name, safe='')}/photos/{one}", expect=404)
    none = room.serve()
    assert none.client().call("GET", "/v1/libraries", expect=200).json == {"libraries": []}
    said = ""
    try:
        room.serve("--library", "nowhere")
    except AssertionError as error:
        said = str(error)
    assert "there is no library 'nowhere' yet" in said, said


if __name__ == "__main__":
    serving.main([test_search, test_names_that_are_no_text, test_as_the_command_line, test_small_copies, test_bounds, test_who_may])
