"""Joins the app's modules to few files, because a page waits for each file in turn: the modules of the first screen, those of
the other screens, and those of the worker. Each module becomes a function that gives what it exports, in the order in
which the browser would run them. What this does not understand, it refuses: a module imports and exports at the
beginning of a line, in the forms below."""
import os
import posixpath
import re

IMPORT = re.compile(r"^import (?:\* as (\w+)|\{([^}]*)\}) from '([^']+)';\n", re.M)
PASSED_ON = re.compile(r"^export \{([^}]*)\} from '([^']+)';\n", re.M)
EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.M)
LATER = re.compile(r"\(await import\('\./(\w+)\.js'\)\)")
FOR_PAGES = {"whatsit.js", "lib/labels.js", "lib/list.js", "lib/modules.js", "lib/pixels.js", "lib/sniff.js"}  # what other pages import by itself
APART = {"screen_new", "screen_search"}  # screens that lie by themselves: main.js does not load them before somebody goes there
WAITS = re.compile(r"^(?:const .* = )?await ", re.M)


def name_of(path):
    return "$" + re.sub(r"\W", "_", posixpath.splitext(posixpath.basename(path))[0])


def read(site, path):
    with open(os.path.join(site, path), encoding="utf-8") as f:
        return f.read()


def reached(site, paths, known=()):
    """All modules that these need and that are not known, each behind those that it imports."""
    order = []

    def visit(path):
        if path in known or path in order:
            return
        text = read(site, path)
        for source in [found[-1] for found in IMPORT.findall(text) + PASSED_ON.findall(text)]:
            visit(posixpath.normpath(posixpath.join(posixpath.dirname(path), source)))
        order.append(path)
    for path in paths:
        visit(path)
    return order


def module(site, path, out, home):
    def taken(match):
        whole, names, source = match.groups()
        names = whole or "{ " + ", ".join(one.strip().replace(" as ", ": ") for one in names.split(",")) + " }"
        return f"const {names} = {name_of(source)};\n"
    text = IMPORT.sub(taken, read(site, path))
    exported = [name.strip() for names, _ in PASSED_ON.findall(text) for name in names.split(",")]
    text = PASSED_ON.sub(lambda match: f"const {{{match[1]}}} = {name_of(match[2])};\n", text)
    exported += EXPORT.findall(text)
    text = EXPORT.sub("", text)
    left = re.search(r"^(?:import|export)\b.*|import\('\..*", LATER.sub("", text), re.M)
    if left:
        raise SystemExit(f"bundle: {path}: {left[0]}")
    text = LATER.sub(lambda match: f"(await import('./{home.get(match[1], 'later')}.js')).${match[1]}", text)
    if path != out:
        here = posixpath.relpath(path, posixpath.dirname(out))
        text = text.replace("import.meta.url", f"new URL('{here}', import.meta.url)")
    gives = f"return {{ {', '.join(exported)} }};\n" if exported else ""
    begin, end = ("await (async () => {", "})();") if WAITS.search(text) else ("(() => {", "})();")
    return f"const {name_of(path)} = {begin}\n{text}{gives}{end}\n"


def bundle(site, out, paths, shared=(), home={}):
    """Writes `out`, with the modules that `paths` need; `shared` are those of the bundle main.js; `home` has the file, by name, of what is
    loaded later and lies by itself. Returns its modules."""
    order = reached(site, paths, shared)
    text = "".join(module(site, path, out, home) for path in order)
    if shared:
        text = f"import {{ {', '.join(map(name_of, shared))} }} from './main.js';\n" + text
    return order, text + f"export {{ {', '.join(map(name_of, order))} }};\n"


def as_script(text):
    """A worker that browsers without module workers take as a plain script, too."""
    text = re.sub(r"^export \{.*\};\n", "", text, flags=re.M).replace("import.meta.url", "self.location.href")
    return "(() => {\n" + text + "})();\n"


def join(site):
    """Replaces the modules of a site. Returns the files that the app needs no more and those that are new."""
    first = reached(site, ["app/engine.js", "app/main.js"])
    screens = sorted(set(LATER.findall(read(site, "app/main.js"))) - APART)
    alone = sorted({name for path in first for name in LATER.findall(read(site, path))} - set(screens))  # asked for by few
    home = {name: name for name in alone}
    _, main = bundle(site, "app/main.js", ["app/engine.js", "app/main.js"], home=home)
    others, later = bundle(site, "app/later.js", [f"app/{name}.js" for name in screens], first, home)
    lone = {f"app/{name}.js": bundle(site, f"app/{name}.js", [f"app/{name}.js"], first, home) for name in alone}
    apart = {path: text for path, (_, text) in lone.items()}
    inner, worker = bundle(site, "lib/worker.js", ["lib/worker.js"])
    worker = as_script(worker)
    written = {"app/main.js": main, "app/later.js": later, "lib/worker.js": worker, **apart}
    gone = {path for path in [*first, *others, *inner, *(one for order, _ in lone.values() for one in order)] if path not in written and path.split("/")[0] in ("app", "lib")}
    for path in gone - FOR_PAGES:
        os.remove(os.path.join(site, path))
    for path, text in written.items():
        with open(os.path.join(site, path), "w", encoding="utf-8") as f:
            f.write(text)
    page = read(site, "index.html")
    page = re.sub(r'<link rel="modulepreload".*\n|<script type="module" src="app/engine.js".*\n', "", page)
    with open(os.path.join(site, "index.html"), "w", encoding="utf-8") as f:
        f.write(page)
    return gone | FOR_PAGES, ["app/later.js"]
