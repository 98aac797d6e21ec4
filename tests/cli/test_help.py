"""Help, manual page, completions and usage errors: what the table of verbs promises."""
import os
import re
import shutil
import subprocess

from harness import Case, main

VERBS = ["head new", "head list", "head show", "head rebuild", "head rm", "model list", "model info", "pull",
         "model convert", "model verify", "embed", "tokenize", "preprocess", "kernels", "version",
         "completion", "help"]


class Help(Case):
    def test_every_verb_teaches(self):
        overview = self.ok("--help").out
        for verb in VERBS:
            self.assertIn(f"  {verb} ", overview)
            text = self.ok(*verb.split(), "--help").out
            self.assertTrue(text.startswith(f"Usage: whatsit {verb} "), text[:80])
            self.assertIn("Examples:", text, verb)
            self.assertEqual(text, self.ok("help", *verb.split()).out)
            self.assertTrue(all(len(line) <= 100 for line in text.splitlines()), verb)
            self.assertEqual(text, self.ok(*verb.split(), "-h").out)

    def test_groups(self):
        for group in ("head", "model"):
            self.assertIn(f"whatsit {group} VERB", self.ok(group, "--help").out)
            self.wrong(group, says=f"'{group} list'")
            self.wrong(group, "nonsense", says="nonsense")

    def test_nothing_given(self):
        result = self.run_cli()
        self.assertEqual(result.status, 2)
        self.assertIn("Usage:", result.err)
        self.assertEqual(result.out, "")

    def test_version(self):
        self.assertRegex(self.ok("version").out, r"^whatsit \d+\.\d+\.\d+\n$")
        self.assertEqual(self.ok("--version").out, self.ok("version").out)
        self.assertRegex(self.ok("version", "--json").json()[0]["version"], r"^\d+\.\d+\.\d+$")

    def test_kernels(self):
        lines = self.ok("kernels").lines()
        self.assertTrue(any("gemm" in line for line in lines), lines)
        self.assertIn("scalar", self.ok("kernels", "--isa", "scalar").out)
        for line in self.ok("kernels", "--json").json():
            self.assertEqual(set(line), {"operation", "isa", "warning"})
        self.wrong("kernels", "--isa", "abacus", says="abacus")

    def test_usage_errors(self):
        self.wrong("--bogus", says="--bogus")
        self.wrong("--jsn", "x.png", says="did you mean '--json'")
        self.wrong("-Z", says="-Z")
        self.wrong("--json")
        self.wrong("x.png", "--top", says="--top")
        for value in ("0", "-1", "many", "1.5", "99999999999999999999", ""):
            self.wrong("x.png", "--top", value, says="--top")
        self.wrong("x.png", "--json=yes", says="takes no value")
        self.wrong("x.png", "--json", "--csv", says="only one")
        self.wrong("x.png", "--template", "{}", says="--labels")
        self.wrong("x.png", "--labels", "a,b", "--template", "no hole", says="{}")
        self.wrong("x.png", "--labels", "a,b", "--template", "a {} and a {}", says="once")
        self.wrong("-", "-", says="once")
        self.wrong("x.png", "--threads", "0", says="--threads")
        self.wrong("embed", "-o", "x", says="needs")
        self.wrong("embed", "--text", "a", "--format", "xml", says="xml")
        self.wrong("embed", "--text", "a", "--format", "npy", says="-o")
        self.wrong("tokenize", says="TEXT")
        self.wrong("tokenize", "--jsonl", "text")
        self.wrong("preprocess", "x.png", says="-o")
        self.wrong("preprocess", "-o", "x")
        self.wrong("preprocess", "a.png", "b.png", "-o", "x", says="b.png")
        self.wrong("preprocess", "a.png", "-o", "x", "--mode", "fit", says="fit")
        self.wrong("completion", "tcsh", says="tcsh")
        self.wrong("help", "nonsense", says="nonsense")
        self.wrong("model", "convert", "x", says="-o")
        self.wrong("model", "convert", "x", "-o", "y", "--type", "f8", says="f8")
        self.wrong("pull", "nonsense", says="OWNER/NAME")
        self.wrong("head", "new", "a/b", "--labels", "x", says="a/b")
        self.wrong("head", "new", "x", says="--labels")
        self.wrong("version", "x", says="x")

    def test_control_characters_stay_out_of_errors(self):
        result = self.wrong("--\x1b[31mred\n\nwhatsit")
        self.assertNotIn("\x1b", result.err)

    def test_options_can_stand_anywhere(self):
        self.fails("--labels", "a,b", "--", "--json", says="--json")
        a = self.ok("--labels", "a,b", self.picture(), "--csv", "-k1").out
        self.assertEqual(a, self.ok(self.picture(), "--labels=a,b", "--top=1", "--csv").out)

    def test_manual_page(self):
        text = self.ok("help", "--man").out
        self.assertTrue(text.startswith(".TH WHATSIT 1"))
        for verb in VERBS:
            self.assertIn(f'.SS "whatsit {verb} ', text)
        man = shutil.which("groff") or shutil.which("mandoc")
        if not man:
            self.skipTest("neither groff nor mandoc is installed")
        words = [man, "-man", "-Tutf8", "-ww"] if man.endswith("groff") else [man, "-Tlint"]
        done = subprocess.run(words, input=text.encode(), capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


class Completion(Case):
    def script(self, shell):
        return self.write(f"whatsit.{shell}", self.ok("completion", shell).out)

    def complete(self, *words):
        """What bash offers for the last word."""
        script = self.script("bash")
        quoted = " ".join("'" + word + "'" for word in ("whatsit", *words))
        code = (f"PATH={os.path.dirname(self.program)}:$PATH; source {script}; COMP_WORDS=({quoted}); "
                f"COMP_CWORD={len(words)}; _whatsit; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", code], capture_output=True, env=self.env, cwd=self.dir, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().split()

    def test_bash(self):
        self.assertIn("tokenize", self.complete("tok"))
        self.assertIn("head", self.complete(""))
        self.assertEqual(self.complete("head", "reb"), ["rebuild"])
        self.assertIn("--labels", self.complete("head", "new", "x", "--l"))
        self.assertEqual(self.complete("photo.jpg", "--js"), ["--json"])
        self.assertEqual(self.complete("preprocess", "--mode", "cr"), ["crop"])
        self.assertIn("l14-336", self.complete("pull", "l"))
        self.write("share/heads/foods.txt", "pizza\nsoup\n")
        self.assertEqual(self.complete("photo.jpg", "--as", "foo"), ["foods"])
        self.write("my photo.jpg", "x")
        self.assertIn("photo.jpg", self.complete("my"))

    def test_zsh_and_fish_parse(self):
        missing = []
        for shell in ("zsh", "fish"):
            script = self.script(shell)
            if not shutil.which(shell):
                missing.append(shell)
                continue
            done = subprocess.run([shell, "-n", script], capture_output=True, env=self.env, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        if missing:
            self.skipTest(f"not installed: {', '.join(missing)}")

    def test_fish_offers(self):
        if not shutil.which("fish"):
            self.skipTest("not installed: fish")
        script = self.script("fish")
        path = f"{os.path.dirname(self.program)}:{self.env['PATH']}"
        for words, expected in (("whatsit tok", "tokenize"), ("whatsit head reb", "rebuild"),
                                ("whatsit head new x --lab", "--labels"), ("whatsit pull l14-", "l14-336")):
            done = subprocess.run(["fish", "-c", f"source {script}; complete -C '{words}'"], timeout=60,
                                  capture_output=True, env={**self.env, "PATH": path}, cwd=self.dir)
            offered = [line.split("\t")[0] for line in done.stdout.decode().splitlines()]
            self.assertIn(expected, offered, done.stderr)

    def test_every_option_is_offered(self):
        names = set(re.findall(r"--([a-z-]+)", self.ok("help", "--man").out.replace("\\-", "-")))
        for shell in ("bash", "zsh", "fish"):
            text = self.ok("completion", shell).out
            for verb in ("", *VERBS):
                for name in re.findall(r"^ {2}.{4}--([a-z-]+)", self.ok("help", *verb.split()).out, re.M):
                    self.assertIn(name, text, f"{shell} {verb}")
                    self.assertIn(name, names)


if __name__ == "__main__":
    main()
