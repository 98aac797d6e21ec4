"""Heat maps, words per region, units."""
import tiny_model
import pictures
from harness import Case, main


class Explain(Case):
    def setUp(self):
        super().setUp()
        self.write("share/heads/nouns.txt", "# licence: CC0\n" + "".join(f"noun {i}\n" for i in range(60)))

    def test_map_has_the_photos_size(self):
        photo, out = self.picture(), self.path("map.png")
        self.ok("explain", photo, "--label", "spider", "-o", out)
        with open(out, "rb") as file:
            data = file.read()
        width, height, rows = pictures.read_png(data)
        self.assertEqual((width, height), (40, 33))
        self.assertGreater(len(set(rows)), 20)
        again = self.path("again.png")
        self.ok("explain", photo, "--label", "spider", "--force", "-o", again, "--threads", "1")
        with open(again, "rb") as file:
            self.assertEqual(file.read(), data)
        self.ok("explain", photo, "--label", "spider", "--force", "-o", out, "--method", "regions")
        with open(out, "rb") as file:
            self.assertNotEqual(file.read(), data)

    def test_window(self):
        """The whole input hidden at once says the same about every pixel: no pixel stands out."""
        tinted = []
        for window in (tiny_model.IMAGE, 8):
            out = self.path("map.png")
            self.ok("explain", self.picture(), "--label", "x", "--force", "-o", out, "--window", str(window))
            with open(out, "rb") as file:
                width, height, rows = pictures.read_png(file.read())
            line = rows[(height // 2) * (3 * width + 1) + 1:][:3 * width] if rows[0] == 0 else rows
            tinted.append(bytes(line))
        self.assertNotEqual(*tinted)
        self.fails("explain", self.picture(), "--label", "x", "--force", "-o", out, "--window", "999", says="window")

    def test_words_and_units(self):
        self.ok("head", "new", "c", "--labels", "red,green,blue")
        told = self.ok("explain", self.picture(), "--as", "c", "--words", "2", "--neurons", "5", "--json").json()[0]
        side = tiny_model.IMAGE // tiny_model.PATCH
        self.assertEqual(len(told["regions"]), side * side)
        for region in told["regions"]:
            self.assertEqual(len(region["words"]), 2)
            self.assertLessEqual(set(region["words"]), {"red", "green", "blue"})
        self.assertEqual(len(told["neurons"]), 5)
        shares = [unit["share"] for unit in told["neurons"]]
        self.assertEqual(shares, sorted(shares, reverse=True))
        self.assertTrue(all(unit["layer"] < tiny_model.LAYERS and unit["unit"] < tiny_model.MLP
                            for unit in told["neurons"]))

    def test_mistakes(self):
        self.wrong("explain", self.picture(), says="-o")
        self.wrong("explain", self.picture(), "-o", "x.png", "--method", "magic", says="--method")
        self.ok("head", "new", "c", "--labels", "red,green")
        self.fails("explain", self.picture(), "--as", "c", "--label", "blue", "--words", "1", says="no label 'blue'")
        self.fails("explain", self.path("gone.png"), "--as", "c", "--words", "1", says="gone.png")


if __name__ == "__main__":
    main()
