"""What a person sees: colours and progress on a terminal only; Ctrl-C leaves nothing broken."""
import os
import pty
import select
import signal
import time

import tiny_model
from harness import Case, main

LABELS = ("--labels", "cat,dog")


# The shipped model on one thread without vector instructions: slow enough on any machine to be watched.
NANO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "whatsit-nano.gguf")
SLOWLY = ("--model", NANO, "--isa", "scalar", "--threads", "1")

class Terminal(Case):
    def on_terminal(self, *words, env=None, out=True, err=True):
        """Both streams of a pseudo-terminal as one text, and the exit status."""
        import subprocess
        try:
            master, slave = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminals here: {error}")
        process = subprocess.Popen([self.program, *words], stdin=subprocess.DEVNULL,
                                   stdout=slave if out else subprocess.PIPE, stderr=slave if err else subprocess.PIPE,
                                   env={**self.env, "TERM": "xterm", **(env or {})}, cwd=self.dir)
        os.close(slave)
        data, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select([master], [], [], 0.2)
            if ready:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break
                if not piece:
                    break
                data += piece
            elif process.poll() is not None:
                break
        os.close(master)
        other = b"".join(stream.read() for stream in (process.stdout, process.stderr) if stream)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
        return process.wait(timeout=30), data.decode(), other.decode()

    def test_colours_and_bars_on_a_terminal_only(self):
        status, text, _ = self.on_terminal(self.picture(), *LABELS)
        self.assertEqual(status, 0)
        self.assertIn("\x1b[1m", text)
        self.assertRegex(text, "[\u2588\u258f\u258e\u258d\u258c\u258b\u258a\u2589]")
        plain = self.ok(self.picture(), *LABELS).out
        self.assertNotIn("\x1b", plain)
        self.assertNotRegex(plain, "[\u2588\u258f\u258e\u258d\u258c\u258b\u258a\u2589]")

    def test_no_color(self):
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            _, text, _ = self.on_terminal(self.picture(), *LABELS, env=env)
            self.assertNotIn("\x1b[1m", text)
            self.assertNotIn("\x1b[3", text)
        _, text, _ = self.on_terminal(self.picture(), *LABELS, env={"NO_COLOR": ""})
        self.assertIn("\x1b[1m", text)

    def test_bars_without_utf8(self):
        _, text, _ = self.on_terminal(self.picture(), *LABELS, env={"LC_ALL": "C"})
        self.assertIn("#", text)
        self.assertNotIn("\u2588", text)

    def test_progress_goes_to_the_terminal_and_not_into_pipes(self):
        pictures = [self.write(f"{i:02}.png", tiny_model.png(40, 33, i)) for i in range(40)]
        _, text, out = self.on_terminal(*pictures, *LABELS, "--json", out=False)
        self.assertEqual(len(out.splitlines()), 40)
        self.assertNotIn("\x1b", out)
        self.assertTrue(text == "" or text.endswith("\r\x1b[K"), repr(text[-80:]))
        self.assertEqual(self.ok(*pictures, *LABELS, "--json").err, "")
        self.assertEqual(self.on_terminal(*pictures, *LABELS, "--json", "--quiet", out=False)[1], "")

    def test_progress_of_a_head(self):
        labels = self.write("l.txt", "".join(f"label number {i}\n" for i in range(2500)))
        _, text, _ = self.on_terminal("head", "new", "x", "--labels", labels, *SLOWLY, out=False)
        self.assertIn("preparing head 'x'", text)
        self.assertIn("%", text)


    def test_words_as_they_are_found(self):
        coca = self.path("coca.gguf")
        self.ok("model", "convert", os.path.join(self.source, "tests", "model", "data", "originals", "open_clip_coca"), "-o", coca)
        words = ("describe", "--model", coca, "--beam", "1")
        status, text, out = self.on_terminal(*words, self.picture(), out=False)
        self.assertEqual(status, 0)
        sentence = out.rstrip("\n").split(": ", 1)[1]
        frames = [frame for frame in text.split("\r\x1b[K")[1:] if frame]
        self.assertGreater(len(frames), 1)
        self.assertTrue(text.endswith("\r\x1b[K"), repr(text[-80:]))
        for frame in frames:
            self.assertTrue(sentence.startswith(frame) or frame.startswith("..."), (sentence, frame))
        self.assertEqual(frames, sorted(frames, key=len))
        self.assertEqual(self.on_terminal(*words, self.picture(), "--quiet", out=False)[1], "")
        self.assertEqual(self.on_terminal(*words, self.picture(), err=False)[1].count("\n"), 1)
        pictures = [self.write(f"{i:02}.png", tiny_model.png(40, 33, i)) for i in range(40)]
        _, text, out = self.on_terminal(*words, *pictures, "--json", out=False)
        self.assertEqual(len(out.splitlines()), 40)
        self.assertTrue(text.endswith("\r\x1b[K") or "\x1b" not in text, repr(text[-80:]))


class Interrupt(Case):
    def test_while_answering(self):
        for i in range(400):
            self.write(f"d/{i:03}.png", tiny_model.png(20, 20, 1) if i == 0 else b"")
        os.unlink(self.path("d", "001.png"))
        os.mkfifo(self.path("fifo.png"))
        # A pipe that nobody writes to: the program must not hang on it after Ctrl-C.
        process = self.start(self.picture(), self.path("fifo.png"), self.picture(1), *LABELS, "--json")
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)
        self.assertLessEqual(len(out.splitlines()), 1)

    def test_on_standard_input(self):
        process = self.start("-", *LABELS)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 130)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()

    def test_while_making_a_head(self):
        labels = self.write("l.txt", "".join(f"label number {i} with some more words in it\n" for i in range(60000)))
        self.ok("head", "new", "kept", "--labels", "a,b")
        process = self.start("head", "new", "kept", "--labels", labels, "--force", *SLOWLY)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(os.listdir(self.data_path("heads")), ["kept.safetensors"])
        self.assertEqual(self.ok("head", "show", "kept", "--json").json()[0]["labels"], ["a", "b"])

    def test_term_signal(self):
        process = self.start("tokenize", "--jsonl")
        time.sleep(1.0)
        process.terminate()
        process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130)


if __name__ == "__main__":
    main()
