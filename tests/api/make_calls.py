"""Calls of every public function: with all arguments good, with all pointers NULL, with each pointer NULL by
itself, and with something in the reserved members of each struct that goes in.  make_calls.py > calls.inc.c

misuse.c opens the handles and fills the structs."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import public_api  # noqa: E402

NUMBERS = {"size_t", "uint32_t", "uint64_t", "unsigned", "int", "bool", "float", "double"}
SLOTS = re.compile(r"(wi_\w+) \*\*")  # where a handle is put or taken from


def is_pointer(type_):
    return "*" in type_ or "[" in type_ or type_[:-2] in FUNCTIONS


def good(parameter):
    type_, name = parameter
    slot = SLOTS.fullmatch(type_)
    if slot:
        return f"&slot.{slot[1]}"
    if type_ in NUMBERS:
        return {"dim": "f.dim", "path_bytes": "4096", "context_length": "8"}.get(name, "1")
    if not is_pointer(type_):  # an enumeration
        return f"({type_})0"
    handle = re.fullmatch(r"(?:const )?(wi_\w+) \*", type_)
    if handle and handle[1] in HANDLES:
        return f"f.{handle[1]}"
    if handle and handle[1] not in FUNCTIONS:
        STRUCTS.add(handle[1])
        return f"&f.good_{handle[1]}"
    special = {"wi_index_pair_visitor *": "visit", "wi_sink_write_fn *": "take", "const char *": '"some"',
               "const char *const *": "f.texts", "const char *const (*)[2]": "f.metadata", "const char **": "&f.at"}
    if type_ in special:
        return special[type_]
    plain = re.sub(r" \[\d+\]", " *", type_)
    return f"({plain})room({'true' if 'float' in plain else 'false'})"


def have(function):
    """Whether the handles that a function takes could be opened here."""
    taken = {m[1] for p in function.parameters if (m := re.fullmatch(r"(?:const )?(wi_\w+) \*", p.type))} & HANDLES
    return " && ".join(f"f.{handle}" for handle in sorted(taken)) or "true"


def handles():
    return {m[1] for f in public_api.functions() for p in f.parameters if (m := SLOTS.fullmatch(p.type))}


def call(function, arguments, what, refused=False):
    inner = f"{function.name}({', '.join(arguments)})"
    lines = [f'    begin("{function.name}: {what}");']
    if refused:
        lines += [f"    if ({have(function)})", f"        assert_int_equal({inner}, WI_ERR_UNSUPPORTED);"]
    else:
        lines.append(f"    (void){inner};")
    return lines + ["    end();"]


def tests_of(function, reserve):
    lines, values = [], [good(p) for p in function.parameters]
    lines += call(function, values, "good arguments")
    pointers = [i for i, p in enumerate(function.parameters) if is_pointer(p.type)]
    for some in ([pointers] if len(pointers) > 1 else []) + [[i] for i in pointers]:
        what = "everything" if len(some) > 1 else function.parameters[some[0]].name
        lines += call(function, ["NULL" if i in some else v for i, v in enumerate(values)], f"{what} is NULL")
    for parameter in function.parameters:
        struct = re.fullmatch(r"const (wi_\w+) \*", parameter.type)
        if struct and struct[1] in reserve and function.returns == "wi_status":
            lines.append(f"    f.good_{struct[1]}.reserved[sizeof f.good_{struct[1]}.reserved / sizeof(uint64_t) - 1] = 1;")
            lines += call(function, values, f"{parameter.name} of a later version", refused=True)
            lines.append(f"    f.good_{struct[1]}.reserved[sizeof f.good_{struct[1]}.reserved / sizeof(uint64_t) - 1] = 0;")
    return [f"static void call_{function.name}(void **state)", "{", "    (void)state;", *lines, "}", ""]


def main():
    functions = public_api.functions()
    bodies = [line for f in functions for line in tests_of(f, public_api.structs_with_reserve())]
    print("/* Made by make_calls.py. */\nstatic struct {")
    print("".join(f"    {handle} *{handle};\n" for handle in sorted(HANDLES)) + "} slot;\n")
    print("static struct {\n    size_t dim;\n    const char *texts[4], *metadata[1][2], *at;")
    print("".join(f"    {handle} *{handle}; /* NULL: there is none to test with */\n" for handle in sorted(HANDLES)), end="")
    print("".join(f"    {struct} good_{struct};\n" for struct in sorted(STRUCTS)) + "} f;\n")
    print("static void close_slots(void)\n{")
    print("".join(f"    {handle}_close(&slot.{handle});\n" for handle in sorted(HANDLES)) + "}\n")
    print("\n".join(bodies))
    print("#define CALLS \\\n" + ", \\\n".join(f"    cmocka_unit_test_teardown(call_{f.name}, tell)" for f in functions))


FUNCTIONS = ("wi_index_pair_visitor", "wi_sink_write_fn")
STRUCTS = set()  # what good() asks for
HANDLES = handles()
if __name__ == "__main__":
    main()
