"""What is kept of photos: it serves every verb, is found by place without reading, and can be emptied."""
import os
import stat
import time

import tiny_model
from harness import Case, main

LABELS = ("--labels", "cat,dog")


class Cache(Case):
    def setUp(self):
        super().setUp()
        for i in range(3):
            self.write(f"d/{i}.png", tiny_model.png(30 + i, 30, i))

    def bytes_of(self, *names):
        path = self.cache_path(*names)
        return os.path.getsize(path) if os.path.exists(path) else 0

    def vectors(self):
        folder = self.cache_path("vectors")
        return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)) if os.path.isdir(folder) else 0

    def heads(self, *words):
        return [(answer["image"], answer["width"], answer["heads"]) for answer in self.ok(*words, "--json").json()]

    def test_every_verb_is_served_and_says_the_same(self):
        first = self.heads("d", *LABELS)
        record = self.vectors() // 3
        self.assertGreater(record, 0)
        self.assertEqual(self.heads("d", *LABELS), first)
        rows = self.ok("embed", "d").out
        self.ok("rank", "--text", "x", "d")
        self.assertEqual(self.vectors(), 3 * record, "nothing is computed twice")
        self.assertEqual(self.ok("embed", "d", "--fresh").out, rows)
        self.assertEqual(self.heads("d", *LABELS, "--fresh"), first)

    def test_a_place_is_enough_later(self):
        """Once files are settled, their content is not read: a file that cannot be read is answered."""
        time.sleep(2.1)
        first = self.heads("d", *LABELS)
        self.assertEqual(self.bytes_of("files.bin") % 3, 0)
        self.assertGreater(self.bytes_of("files.bin"), 0)
        path, info = self.path("d", "1.png"), os.stat(self.path("d", "1.png"))
        size = self.bytes_of("files.bin")
        self.assertEqual(self.heads("d", *LABELS), first)
        self.assertEqual(self.bytes_of("files.bin"), size)
        # Other content of the same size and time: the system's time of change tells.
        with open(path, "rb") as file:
            good = file.read()
        with open(path, "wb") as file:
            file.write(bytes(len(good)))
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
        self.fails("d", *LABELS, says="1.png")
        with open(path, "wb") as file:
            file.write(good)
        self.assertEqual(self.heads("d", *LABELS), first)

    def test_a_copy_is_known_by_its_content(self):
        first = self.ok("embed", "d").json()
        before = self.vectors()
        os.rename(self.path("d"), self.path("e"))
        self.write("e/more/copy.png", tiny_model.png(31, 30, 1))
        rows = self.ok("embed", "e").json()
        self.assertEqual(rows[1]["embedding"], rows[3]["embedding"])
        self.assertEqual([row["embedding"] for row in rows[:3]], [row["embedding"] for row in first])
        self.assertEqual(self.vectors(), before)

    def test_how_photos_are_read_matters(self):
        self.ok("embed", "d")
        before = self.vectors()
        self.ok("embed", "d", "--no-exif")
        self.assertEqual(self.vectors(), 2 * before)

    def test_a_photo_by_itself_leaves_nothing(self):
        self.ok(self.path("d", "1.png"), *LABELS)
        self.ok("embed", self.path("d", "1.png"))
        self.assertEqual(self.vectors(), 0)

    def test_the_manual_tells_what_is_kept(self):
        text = self.ok("help", "--man").out
        kept = text[text.index('.SS "whatsit cache list'):text.index('.SS "whatsit kernels')]
        for words in ("vector", "From a vector one can tell", "by their owner alone", "cache off"):
            self.assertIn(words, " ".join(kept.replace("\\", "").split()))

    def test_list_clear_off_on(self):
        self.ok("d", *LABELS)
        self.assertEqual(stat.S_IMODE(os.stat(self.cache_path("vectors")).st_mode), 0o700)
        (name,) = os.listdir(self.cache_path("vectors"))
        self.assertEqual(stat.S_IMODE(os.stat(self.cache_path("vectors", name)).st_mode), 0o600)
        parts = {part["part"]: part for part in self.ok("cache", "list", "--json").json()}
        self.assertEqual((parts["vectors"]["files"], parts["vectors"]["bytes"]), (1, self.vectors()))
        self.assertIn("kept", self.ok("cache", "list").out)
        self.ok("cache", "clear")
        self.assertEqual(self.vectors(), 0)
        self.ok("cache", "clear")
        self.ok("cache", "off")
        self.assertIn("switched off", self.ok("cache", "list").out)
        for words in (("d", *LABELS), ("rank", "--text", "x", "d"), ("embed", "d")):
            self.ok(*words)
        self.assertEqual((self.vectors(), self.bytes_of("files.bin")), (0, 0))
        self.ok("cache", "on")
        self.ok("d", *LABELS)
        self.assertGreater(self.vectors(), 0)
        man = self.ok("help", "--man").out
        self.assertIn("vector", man[man.index("cache list"):])

    def test_damage_is_as_if_nothing_was_there(self):
        first = self.heads("d", *LABELS)
        for path in (self.cache_path("files.bin"), self.cache_path("vectors", os.listdir(self.cache_path("vectors"))[0])):
            if os.path.exists(path):
                with open(path, "r+b") as file:
                    data = bytearray(file.read())
                    for at in range(0, len(data), 7):
                        data[at] ^= 0x55
                    file.seek(0)
                    file.write(data + b"half")
        self.assertEqual(self.heads("d", *LABELS), first)

    def test_warnings_are_told_each_time(self):
        cut = tiny_model.png(40, 40, 9)
        self.write("d/cut.png", cut[:-12])  # without its last chunk
        first, second = (self.run_cli("d", *LABELS) for _ in range(2))
        self.assertEqual((first.status, first.err.count("cut.png")), (second.status, second.err.count("cut.png")))


if __name__ == "__main__":
    main()
