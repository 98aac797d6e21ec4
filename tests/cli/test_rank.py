"""Pictures in the order in which they fit a text."""
import pictures
from harness import Case, main


class Rank(Case):
    def setUp(self):
        super().setUp()
        self.photos = [self.write(f"{c}.png", pictures.plain(c)) for c in ("red", "green", "blue")]

    def test_order_is_that_of_the_cosines(self):
        ranked = self.ok("rank", "--text", "something", *self.photos, "--json").json()
        self.assertEqual([line["rank"] for line in ranked], [1, 2, 3])
        scores = [line["score"] for line in ranked]
        self.assertEqual(scores, sorted(scores, reverse=True))
        for line in ranked:
            vectors = self.ok("embed", "--image", line["image"], "--text", "something").json()
            cosine = sum(a * b for a, b in zip(vectors[0]["embedding"], vectors[1]["embedding"]))
            self.assertAlmostEqual(line["score"], cosine, places=5)

    def test_top_names_and_not(self):
        best = self.ok("rank", "--text", "something", *self.photos, "--top", "1", "--names").lines()
        self.assertEqual(len(best), 1)
        self.assertIn(best[0], self.photos)
        turned = self.ok("rank", "--text", "one", "--not", "something", *self.photos, "--json").json()
        self.assertEqual(len(turned), 3)
        zero = self.ok("rank", "--text", "one", "--not", "one", *self.photos, "--json").json()
        self.assertEqual([line["image"] for line in zero], self.photos)
        self.assertIn("rank,score,image", self.ok("rank", "--text", "x", *self.photos, "--csv").out)

    def test_mistakes(self):
        self.wrong("rank", *self.photos, says="--text")
        result = self.fails("rank", "--text", "x", self.photos[0], self.path("gone.png"), "--names", says="gone.png")
        self.assertEqual(result.lines(), [self.photos[0]])
        self.wrong("rank", "--text", "x", says="needs an IMAGE, or --files-from")

    def test_record_of_each_failed_file(self):
        cut = self.write("cut.png", open(self.photos[0], "rb").read()[:40])
        result = self.run_cli("rank", "--text", "x", cut, self.photos[0], self.path("gone.png"), "--json")
        lines = result.json()
        self.assertEqual((result.status, len(result.error_lines())), (1, 2))
        self.assertEqual([line["image"] for line in lines if "error" in line], [cut, self.path("gone.png")])
        self.assertEqual([line["image"] for line in lines if "rank" in line], [self.photos[0]])
        self.assertEqual(lines[-1], {"answered": 1, "failed": 2})

    def test_listed(self):
        names = self.write("names", "\n".join(self.photos).encode())
        direct = self.ok("rank", "--text", "x", *self.photos, "--csv").out
        self.assertEqual(self.ok("rank", "--text", "x", "--files-from", names, "--csv").out, direct)


if __name__ == "__main__":
    main()
