"""Calls of every public function: with all arguments good, with all pointers NULL, with each pointer NULL by
itself, and with something in the reserved members of each struct that goes in.  make_calls.py > calls.inc.c

misuse.c gives the good arguments: by the parameter's name (good_FUNCTION_NAME), else by its type."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import public_api  # noqa: E402

NUMBERS = {"size_t", "uint32_t", "uint64_t", "unsigned", "int", "bool", "float", "double"}
SLOTS = re.compile(r"(wi_\w+) \*\*")  # where a handle is put or taken from


def is_pointer(type_):
    return "*" in type_ or "[" in type_ or type_ in ("wi_index_pair_visitor *", "wi_sink_write_fn *")


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
    if handle and handle[1] not in ("wi_index_pair_visitor", "wi_sink_write_fn"):
        return f"&f.good_{handle[1]}"
    special = {"wi_index_pair_visitor *": "visit", "wi_sink_write_fn *": "take", "const char *": '"some"',
               "const char *const *": "f.texts", "const char *const (*)[2]": "f.metadata", "const char **": "&f.at"}
    if type_ in special:
        return special[type_]
    plain = re.sub(r" \[\d+\]", " *", type_).replace("const uint8_t **", "const uint8_t **")
    return f"({plain})room({'true' if 'float' in plain else 'false'})"


def handles():
    return {m[1] for f in public_api.functions() for p in f.parameters if (m := SLOTS.fullmatch(p.type))}


def call(function, arguments, what, keep=False):
    inner = f"{function.name}({', '.join(arguments)})"
    lines = [f'    begin("{function.name}: {what}");']
    lines.append(f"    assert_int_equal({inner}, WI_ERR_UNSUPPORTED);" if keep else f"    (void){inner};")
    return lines + ["    end();"]


def main():
    reserve = public_api.structs_with_reserve()
    print("/* Made by make_calls.py. */\nstatic struct {")
    for handle in sorted(HANDLES):
        print(f"    {handle} *{handle};")
    print("} slot;\n\nstatic void close_slots(void)\n{")
    for handle in sorted(HANDLES):
        print(f"    {handle}_close(&slot.{handle});")
    print("}\n")
    names, n = [], 0
    for function in public_api.functions():
        lines, values = [], [good(p) for p in function.parameters]
        lines += call(function, values, "good arguments")
        pointers = [i for i, p in enumerate(function.parameters) if is_pointer(p.type)]
        for some in ([pointers] if len(pointers) > 1 else []) + [[i] for i in pointers]:
            what = "everything" if len(some) > 1 else function.parameters[some[0]].name
            lines += call(function, ["NULL" if i in some else v for i, v in enumerate(values)], f"{what} is NULL")
        for parameter, value in zip(function.parameters, values):
            struct = re.fullmatch(r"const (wi_\w+) \*", parameter.type)
            if struct and struct[1] in reserve and function.returns == "wi_status":
                lines.append(f"    f.good_{struct[1]}.reserved[3] = 1;")
                lines += call(function, values, f"{parameter.name} of a later version", True)
                lines.append(f"    f.good_{struct[1]}.reserved[3] = 0;")
        n += len(pointers)
        names.append(f"call_{function.name}")
        print(f"static void {names[-1]}(void **state)\n{{\n    (void)state;\n" + "\n".join(lines) + "\n}\n")
    tests = ",\n".join(f"    cmocka_unit_test_teardown({name}, tell)" for name in names)
    print("#define CALLS \\\n" + tests.replace("\n", " \\\n"))
    print(f"/* {len(names)} functions, {n} pointers */")


HANDLES = handles()
if __name__ == "__main__":
    main()
