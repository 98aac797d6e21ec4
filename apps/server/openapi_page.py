#!/usr/bin/env python3
"""Writes the reference in docs/SERVER.md out of openapi.json; with --check, only tells whether it is current."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "..", "..", "docs", "SERVER.md")
BEGIN, END = "<!-- from openapi.json -->\n", "<!-- end -->\n"


def name_of(schema):
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    return {"array": "list", "object": "object"}.get(schema.get("type"), "")


def rows(document):
    for path, item in document["paths"].items():
        for method in ("get", "post", "delete"):
            if method not in item:
                continue
            operation = item[method]
            query = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            good = []
            for code, answer in operation["responses"].items():
                if code < "400":
                    names = {name_of(c["schema"]) for c in answer.get("content", {}).values()} - {""}
                    good.append(" ".join([code, *sorted(names)]))
            bad = " ".join(code for code in operation["responses"] if code >= "400")
            yield f"| `{method.upper()} {path}` | {operation['summary']} | {', '.join(query)} | {', '.join(good)} | {bad} |"


def main():
    with open(os.path.join(HERE, "openapi.json")) as file:
        document = json.load(file)
    with open(PAGE) as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    table = ["| request | what it does | query | answers | errors |", "|---|---|---|---|---|", *rows(document)]
    new = before + BEGIN + "\n".join(table) + "\n" + END + rest.split(END)[1]
    if "--check" in sys.argv[1:]:
        sys.exit(0 if new == page else "docs/SERVER.md is not what openapi.json says: run apps/server/openapi_page.py")
    with open(PAGE, "w") as file:
        file.write(new)


main()
