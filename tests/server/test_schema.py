"""Requests made from the document itself, thousands of kinds: each is answered as the document says (schemathesis, from
PyPI, for which tests/clients.sh runs this; schemathesis.toml says what no document can)."""
import importlib.util
import os
import subprocess
import sys

import serving
from serving import SKIPPED


def test_document(room):
    if not importlib.util.find_spec("schemathesis"):
        print("skipped: schemathesis is not installed")
        return SKIPPED
    server = room.serve()
    here = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run([sys.executable, "-m", "schemathesis.cli", "--config-file", os.path.join(here, "schemathesis.toml"), "run",
                           f"http://127.0.0.1:{server.port}/openapi.json", "--max-examples", "8", "--request-timeout", "60"],
                          cwd=room.path, capture_output=True, text=True,
                          env={**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
                               "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])})
    print(done.stdout[-8000:] if done.returncode else "\n".join(done.stdout.splitlines()[-6:]))
    assert done.returncode == 0, done.stderr[-2000:]
    server.end()


if __name__ == "__main__":
    serving.main([test_document])
