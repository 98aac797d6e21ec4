"""Runs the store's suite on SQLite, and unchanged on PostgreSQL."""
import os
import subprocess
import sys
import tempfile

import postgres

SKIPPED = 77


def run(program, url):
    done = subprocess.run([program], env={**os.environ, "WHATSIT_STORE_URL": url})
    if done.returncode != 0:
        sys.exit(f"the suite fails on {url}")


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        run(program, os.path.join(folder, "store.db"))
    if not postgres.programs():
        print("skipped: PostgreSQL is not installed, so the store was checked on SQLite only")
        sys.exit(SKIPPED)
    with postgres.Postgres() as server:
        run(program, server.url)


main()
