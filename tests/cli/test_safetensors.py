"""A head that was given away opens in Python with the safetensors package alone."""
import json
import unittest

import pictures
import tiny_model
from harness import Case, main

try:
    from safetensors import safe_open
except ImportError:
    safe_open = None


@unittest.skipUnless(safe_open, "the safetensors package is not here")
class Package(Case):
    def test_head_of_words_and_photos(self):
        red = self.write("red.png", pictures.plain("red", 1))
        self.ok("head", "new", "c", "--labels", "red,green", "--group", "warm=red", "--examples", f"red={red}")
        self.ok("head", "export", "c", "-o", "c.safetensors")
        with safe_open(self.path("c.safetensors"), "numpy") as head:
            self.assertEqual(set(head.keys()), {"weight", "bias", "delta", "keys", "key_label"})
            self.assertEqual(head.get_tensor("delta").shape, (2, tiny_model.EMBEDDING))
            self.assertEqual(json.loads(head.metadata()["groups"]), ["warm", ""])


if __name__ == "__main__":
    main()
