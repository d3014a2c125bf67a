"""Hostile manifest.json files of a release, each with a pattern of its error message."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.helpers.onnx_builders import OUTSIDE


def edited(**changes: Any) -> Callable[[dict[str, Any]], str]:
    """A manifest with changed values; the key `a__b` is b in a."""

    def make(manifest: dict[str, Any]) -> str:
        for key, value in changes.items():
            *path, last = key.split("__")
            section = manifest
            for step in path:
                section = section[step]
            section[last] = value
        return json.dumps(manifest)

    return make


def listing(name: str) -> Callable[[dict[str, Any]], str]:
    """A manifest that lists an additional file."""

    def make(manifest: dict[str, Any]) -> str:
        manifest["files"][name] = {"sha256": "0" * 64, "bytes": 14}
        return json.dumps(manifest)

    return make


def _file(**changes: Any) -> Callable[[dict[str, Any]], str]:
    def make(manifest: dict[str, Any]) -> str:
        manifest["files"]["extractor.onnx"].update(changes)
        return json.dumps(manifest)

    return make


# Content written in place of manifest.json, from the valid manifest.
MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], str | bytes], str]] = {
    "empty": (lambda _: "", "cannot be read as JSON"),
    "a list": (lambda _: "[]", "a JSON list"),
    "a picture": (lambda _: b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "cannot be read as JSON"),
    "bad UTF-8": (lambda m: json.dumps(m).encode() + b"\xff", "cannot be read as JSON"),
    "UTF-16": (lambda m: json.dumps(m).encode("utf-16"), "cannot be read as JSON"),
    "cut short": (lambda m: json.dumps(m)[:-5], "cannot be read as JSON"),
    "a key twice": (lambda m: json.dumps(m)[:-1] + ', "files": {}}', "cannot be read as JSON"),
    "lists 100,000 deep": (lambda _: "[" * 100_000, "cannot be read as JSON"),
    "objects 900 deep": (lambda _: '{"a":' * 900 + "1" + "}" * 900, "cannot be read|version None"),
    "a number of 100,000 digits": (
        lambda m: json.dumps(m).replace('"opset": 20', '"opset": ' + "9" * 100_000),
        "cannot be read as JSON",
    ),
    "100 MB": (lambda m: json.dumps(m) + " " * 100_000_000, "at most 67,108,864 bytes"),
    "another version": (edited(manifest_version=99), "manifest_version 99"),
    "a version that is a list": (edited(manifest_version=[1]), "manifest_version"),
    "no files": (edited(files={}), "lists no extractor.onnx"),
    "files that are a list": (
        edited(files=["extractor.onnx"]),
        r"files: expected `object`, got `array`",
    ),
    "a path up": (listing("../tiprdc-outside"), "lies elsewhere"),
    "an absolute path": (listing(OUTSIDE), "lies elsewhere"),
    "a path of Windows": (listing("..\\tiprdc-outside"), "lies elsewhere"),
    "a drive": (listing("C:evil"), "lies elsewhere"),
    "a path with NUL": (listing("a\0b"), "lies elsewhere"),
    "a hidden file": (listing(".bashrc"), "lies elsewhere"),
    "itself": (listing("manifest.json"), "lies elsewhere"),
    "an escape in a name": (listing("a\x1b[2J"), "lies elsewhere"),
    "a name of a megabyte": (listing("a" * 10**6), "lies elsewhere"),
    "a file that is not there": (listing("other.bin"), "no such file"),
    "another digest": (_file(sha256="0" * 64), "sha256"),
    "a digest that is none": (_file(sha256="../../x"), r"files\.\*\.sha256: expected `str`"),
    "a size below 0": (_file(bytes=-1), r"files\.\*\.bytes: expected `int` >= 0"),
    "a size of 10^30": (_file(bytes=10**30), r"files.*larger than|files\.\*\.bytes: "),
    "a size that is a text": (_file(bytes="many"), r"files\.\*\.bytes: expected `int`, got `str`"),
    "another size": (_file(bytes=5), "5 bytes"),
    "records of 10^20 numbers": (edited(input__shape=["batch", 10**10, 10**10]), "beyond what"),
    "records of -3": (edited(input__shape=["batch", -3, 8, 8]), "without sizes"),
    "records without sizes": (edited(input__shape=["batch"]), "without sizes"),
    "features without end": (edited(output__shape=["batch", 2**62]), "beyond what"),
    "a shape that is a text": (
        edited(input__shape="batch"),
        r"input\.shape: expected `array`, got `str`",
    ),
    "a modality that is none": (
        edited(input__modality="../../etc"),
        r"input\.modality: a value that is not allowed",
    ),
    "a type that is none": (edited(input__dtype="object"), r"input\.dtype: a type that no release"),
    "another type than the model's": (
        edited(input__dtype="float32", input__modality="table", input__shape=["batch", 0]),
        "without sizes",
    ),
    "infinite noise": (edited(output__noise=float("inf")), "not finite"),
    "a bound of NaN": (edited(output__clip=float("nan")), "not finite"),
    "another input's name": (edited(input__name="y"), "input differs from the manifest"),
    "another output's name": (edited(output__name="x"), "output differs from the manifest"),
}
