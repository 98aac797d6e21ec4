"""Called with CMAKE SOURCE BUILD COMPILER SANITIZE. Installs into a folder, moves the folder, and uses what
is there: the program, and a C program built with pkg-config (shared, static) and with CMake (both)."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

CMAKE, SOURCE, BUILD, COMPILER, SANITIZE = sys.argv[1:6]
EXAMPLE = os.path.join(SOURCE, "tests/install/example.c")
SANITIZERS = ["-fsanitize=address,undefined"] if SANITIZE in ("ON", "1", "TRUE") else []
sys.path.insert(0, os.path.join(SOURCE, "tests/cli"))
import tiny_model  # noqa: E402

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(example LANGUAGES C)
find_package(whatsit 0.1 REQUIRED)
foreach(kind whatsit static)
  add_executable(example_${kind} "%s")
  target_link_libraries(example_${kind} PRIVATE whatsit::${kind})
endforeach()
"""


def run(*words, **options):
    result = subprocess.run(words, capture_output=True, text=True, **options)
    if result.returncode:
        raise AssertionError(f"{' '.join(words)}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def install(prefix):
    """Also gives the list of what was installed, and leaves the one of the user's own installation as it was."""
    manifest = os.path.join(BUILD, "install_manifest.txt")
    before = open(manifest, "rb").read() if os.path.exists(manifest) else None
    try:
        run(CMAKE, "--install", BUILD, "--prefix", prefix)
        with open(manifest, "rb") as file:
            return file.read()
    finally:
        if before is None:
            os.remove(manifest)
        else:
            with open(manifest, "wb") as file:
                file.write(before)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="whatsit-install-")
        install(os.path.join(cls.dir, "first"))
        cls.prefix = os.path.join(cls.dir, "moved here")
        os.rename(os.path.join(cls.dir, "first"), cls.prefix)
        folders = [folder for folder, _, files in os.walk(cls.prefix) if "whatsit.pc" in files]
        assert len(folders) == 1, folders
        cls.lib = os.path.dirname(folders[0])
        cls.env = {**os.environ, "PKG_CONFIG_PATH": folders[0], "HOME": cls.dir,
                   "ASAN_OPTIONS": "detect_leaks=0"}  # the example leaves its cleaning up to exit
        cls.model = os.path.join(cls.dir, "tiny")
        tiny_model.write_model(cls.model)
        cls.picture = os.path.join(cls.dir, "picture.png")
        with open(cls.picture, "wb") as file:
            file.write(tiny_model.png(40, 33, 1))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def answers(self, program, **env):
        out = run(program, self.model, self.picture, "cat", "dog", env={**self.env, **env})
        self.assertRegex(out, r"^(cat|dog) \(\d+ %\)\n$")

    def build(self, output, *flags):
        # pkg-config escapes the space in the prefix as a shell wants it.
        command = f'"{COMPILER}" -std=c11 "$0" -o "$1" {" ".join(SANITIZERS)} '
        flags_text = run("pkg-config", *flags, "whatsit", env=self.env).strip()
        run("sh", "-c", command + flags_text, EXAMPLE, output)
        return output

    def test_pkg_config_shared(self):
        program = self.build(os.path.join(self.dir, "shared"), "--cflags", "--libs")
        self.assertIn("libwhatsit.so.0", run("readelf", "-d", program))
        self.answers(program, LD_LIBRARY_PATH=self.lib)

    def test_pkg_config_static(self):
        os.makedirs(os.path.join(self.dir, "only static"), exist_ok=True)
        archive = os.path.join(self.lib, "libwhatsit.a")
        flags = run("pkg-config", "--cflags", "--libs", "--static", "whatsit", env=self.env).strip()
        flags = flags.replace("-lwhatsit", '"$2"')
        program = os.path.join(self.dir, "static")
        run("sh", "-c", f'"{COMPILER}" -std=c11 "$0" -o "$1" {" ".join(SANITIZERS)} {flags}', EXAMPLE, program,
            archive)
        self.assertNotIn("libwhatsit", run("readelf", "-d", program))
        self.answers(program)

    def test_cmake_package(self):
        folder = os.path.join(self.dir, "cmake")
        os.makedirs(folder)
        with open(os.path.join(folder, "CMakeLists.txt"), "w") as file:
            file.write(PROJECT % EXAMPLE)
        run(CMAKE, "-S", folder, "-B", folder, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            f"-DCMAKE_C_COMPILER={COMPILER}", f"-DCMAKE_C_FLAGS={' '.join(SANITIZERS)}", env=self.env)
        run(CMAKE, "--build", folder, env=self.env)
        for kind in ("whatsit", "static"):
            self.answers(os.path.join(folder, f"example_{kind}"))

    def test_everything_is_there(self):
        for path in ("bin/whatsit", "include/whatsit/whatsit.h", "share/man/man1/whatsit.1.gz",
                     "share/bash-completion/completions/whatsit", "share/zsh/site-functions/_whatsit",
                     "share/fish/vendor_completions.d/whatsit.fish", "share/whatsit/heads/nouns.txt",
                     "share/doc/whatsit/LICENSE", "share/doc/whatsit/NOTICE"):
            self.assertTrue(os.path.exists(os.path.join(self.prefix, path)), path)
        for name in ("libwhatsit.a", "libwhatsit.so", "libwhatsit.so.0", "cmake/whatsit/whatsit-config.cmake"):
            self.assertTrue(os.path.exists(os.path.join(self.lib, name)), name)

    def test_the_models_are_where_pkg_config_says(self):
        folder = run("pkg-config", "--variable=modeldir", "whatsit", env=self.env).strip().replace("\\", "")
        self.assertTrue(os.path.samefile(folder, os.path.join(self.prefix, "share/whatsit/models")), folder)
        self.assertEqual(sorted(name for name in os.listdir(folder) if name.endswith(".gguf")),
                         sorted(name for name in os.listdir(os.path.join(SOURCE, "models")) if name.endswith(".gguf")))

    def test_the_documents_are_installed(self):
        theirs = os.path.join(self.prefix, "share/doc/whatsit")
        for name in sorted(os.listdir(os.path.join(SOURCE, "docs"))):
            if name.endswith(".md"):
                self.assertTrue(os.path.exists(os.path.join(theirs, "docs", name)), name)
        self.assertTrue(os.path.exists(os.path.join(theirs, "README.md")))

    def test_uninstall_leaves_nothing_but_what_others_own(self):
        prefix = os.path.join(self.dir, "third")
        build = os.path.join(self.dir, "manifest")
        os.mkdir(build)
        with open(os.path.join(build, "install_manifest.txt"), "wb") as file:
            file.write(install(prefix))
        own = os.path.join(prefix, "share/whatsit/heads/mine.txt")
        with open(own, "w") as file:
            file.write("cat\ndog\n")
        run("make", "-C", SOURCE, "uninstall", f"BUILD={build}")
        left = [os.path.join(folder, name) for folder, _, names in os.walk(prefix) for name in names]
        self.assertEqual(left, [own])
        folders = {folder for folder, _, _ in os.walk(prefix) if "whatsit" in os.path.relpath(folder, prefix)}
        self.assertEqual(folders, {os.path.dirname(own), os.path.dirname(os.path.dirname(own))})

    def test_the_readme_shows_this_example(self):
        with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as readme, open(EXAMPLE) as example:
            shown = re.search(r"^```c\n(.*?)^```$", readme.read(), flags=re.M | re.S).group(1)
            calls = re.findall(r"wi_\w+\(.*?\)", example.read())
        for call in re.findall(r"^wi_\w+\(", shown, flags=re.M):
            self.assertTrue(any(c.startswith(call) for c in calls), call)
        order = [c.split("(")[0] for c in calls]
        names = re.findall(r"^(wi_\w+)\(", shown, flags=re.M)
        self.assertEqual(names, [name for name in order if name in names])

    def test_the_program_finds_its_heads(self):
        program = os.path.join(self.prefix, "bin/whatsit")
        out = run(program, self.picture, "--model", self.model, "--as", "art-styles", "--top", "1", env=self.env)
        self.assertIn("%", out)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
