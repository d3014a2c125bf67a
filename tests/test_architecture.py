"""Imports between packages; dvc.yaml, params.yaml and the documents agree with the code."""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import grimp
import pytest
from dvc.utils.hydra import apply_overrides
from msgspec import inspect
from ruamel.yaml import YAML

from pipelines.params.defaults import tuning
from pipelines.params.load import load
from pipelines.params.schema import SECTIONS, settings_class
from tests.helpers import lowest
from tests.helpers.wheel import build_wheel
from tiprdc.datasets.schema import Schema
from tiprdc.training.config import TrainConfig
from tiprdc.training.defaults import training

ROOT = Path(__file__).parents[1]
PACKAGES = ("stages", "pipelines", "tiprdc")
STAGES = sorted(p.stem for p in (ROOT / "stages").glob("*.py") if p.stem != "__init__")
VARIANT = "-variant"
"""Suffix of a stage that runs another stage's file once for each of export.variants."""
UNPROTECTED = "train-unprotected"
"""The stage that runs `stages/train.py` for the unprotected extractor alone."""
OF_VARIANTS = ("audit", "card", "export")
NO_DEPS = (
    "pipelines/artifacts.py", "pipelines/cluster/assigned.py", "pipelines/cluster/connect.py",
    "pipelines/cluster/environment.py",
    "pipelines/cluster/local_ray.py", "pipelines/observability", "pipelines/params/load.py",
    "pipelines/cluster/errors.py", "pipelines/cluster/tasks.py",
    "tiprdc/cli", "tiprdc/errors.py", "tiprdc/settings.py",
)  # fmt: skip
"""Code that changes no result: paths, where a stage runs, progress, metrics and error texts."""


def test_import_contracts_hold() -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    "module", ["tiprdc", "tiprdc.cli.main", "tiprdc.errors", "tiprdc.datasets"]
)
def test_importing_the_library_loads_no_heavy_package(module: str) -> None:
    script = (
        f"import sys, {module}\n"
        "heavy = {'torch', 'ray', 'dvc', 'pandas', 'sklearn', 'scipy', 'onnx', 'ruamel'}\n"
        "print(*sorted(heavy & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == []


def test_root_packages_re_export_nothing() -> None:
    for package in PACKAGES:
        tree = ast.parse((ROOT / package / "__init__.py").read_text())
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)
                    and getattr(n, "module", "") != "__future__"], package  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_stage_file_is_short_and_names_its_stage(stage: str) -> None:
    text = (ROOT / "stages" / f"{stage}.py").read_text()
    assert len(text.splitlines()) <= 40
    assert text.startswith(f'"""{stage.capitalize()}: ')
    role = " protected" if stage == "train" else ""
    assert dvc_yaml()["stages"][stage]["cmd"] == f"python -m stages.{stage}{role}"


def test_stages_files_and_params_sections_have_the_same_names() -> None:
    stages = {stage.removesuffix(VARIANT) for stage in dvc_yaml()["stages"]}
    assert stages - {UNPROTECTED} == set(STAGES)
    assert {*STAGES, "cluster"} == set(params_yaml()) == set(SECTIONS)


@pytest.mark.parametrize("stage", STAGES)
def test_deps_of_stage_cover_its_imports(stage: str) -> None:
    """DVC follows no imports; a missing dep leaves stale results after an edit."""
    deps, files = deps_of(dvc_yaml()["stages"][stage]), imported_files(stage)
    missing = {file for file in files if not any(covers(dep, file) for dep in deps)}
    assert {file for file in missing if not any(covers(x, file) for x in NO_DEPS)} == set()
    needless = {dep for dep in deps if not any(covers(dep, file) for file in files)}
    assert needless == set()


@pytest.mark.parametrize("stage", STAGES)
def test_code_that_changes_no_result_is_no_dep(stage: str) -> None:
    deps = deps_of(dvc_yaml()["stages"][stage])
    assert [x for x in NO_DEPS if any(covers(dep, x) or covers(x, dep) for dep in deps)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_params_of_stage_in_dvc_yaml_are_the_sections_it_loads(stage: str) -> None:
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text())
    loaded = [
        node.args[0].value for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load"
        and isinstance(node.args[0], ast.Constant)
    ]  # fmt: skip
    # `cluster` changes where a stage runs, not its result (docs/decisions.md).
    assert dvc_yaml()["stages"][stage]["params"] == [name for name in loaded if name != "cluster"]


def test_unprotected_stage_is_train_with_another_role() -> None:
    unprotected, plain = (dvc_yaml()["stages"][stage] for stage in (UNPROTECTED, "train"))
    assert unprotected["cmd"] == plain["cmd"].replace("protected", "unprotected")
    assert unprotected["deps"] == plain["deps"]
    outs = json.dumps(unprotected["outs"]).replace("unprotected", "protected")
    assert json.loads(outs) == plain["outs"]


@pytest.mark.parametrize("stage", OF_VARIANTS)
def test_variant_stage_matches_its_plain_stage(stage: str) -> None:
    """Same command, deps and params; the outs are in the variant's folders."""
    each = dvc_yaml()["stages"][stage + VARIANT]
    assert each["foreach"] == "${export.variants}"
    of_one, plain = each["do"], dvc_yaml()["stages"][stage]
    assert of_one["cmd"] == f"{plain['cmd']} ${{item}}"
    assert of_one["params"] == plain["params"]
    assert deps_of(of_one) == deps_of(plain)
    if stage != "export":  # which writes the unprotected extractor too
        for key in ("outs", "metrics"):
            outs = json.dumps(of_one.get(key, [])).replace("variants/${item}/", "")
            assert json.loads(outs) == plain.get(key, [])


OF_MANY_PICTURES = {
    "extractor.features", "extractor.head", "extractor.release_noise", "objective.budget",
    "objective.adversary_decoder",
}  # fmt: skip
"""Settings whose `auto` is another value for many pictures than for texts and tables."""


@pytest.mark.parametrize("section", SECTIONS)
def test_params_yaml_states_every_setting_with_its_default(
    section: str, tmp_path: Path, make_shards: Callable[..., Schema]
) -> None:
    kind = settings_class(section)
    stated, known = set(leaves(params_yaml()[section])), set(setting_keys(kind))
    assert stated == known, f"missing: {sorted(known - stated)}, too many: {sorted(stated - known)}"
    # With many pictures, `auto` gives the defaults of the code, but for these.
    pictures = make_shards(tmp_path, "image", people=40)
    pictures = dataclasses.replace(
        pictures, records={**pictures.records, "extractor-train": 14_400}
    )
    auto = {**training(pictures), **tuning(pictures, TrainConfig())}
    config, default = load(section, kind, ROOT / "params.yaml", auto=auto), kind()
    others = {key for key in known if value_of(config, key) != value_of(default, key)}
    assert others == (OF_MANY_PICTURES if section == "train" else set())


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.seed=1", "  seed: 1"),
        ("prepare.dataset=adult", "  dataset: adult"),
        ("prepare.avatars.private=[glasses]", "    - glasses"),
        ("export.variants=[int8]", "  - int8"),
    ],
)
def test_dvc_changes_no_other_line_of_params_yaml(override: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(str(path), [override])
    before, after = ((folder / "params.yaml").read_text() for folder in (ROOT, tmp_path))
    changed = set(after.splitlines()) - set(before.splitlines())
    assert changed <= {line, "  variants:"}
    comments = [[row for row in text.splitlines() if "#" in row] for text in (before, after)]
    assert comments[0] == comments[1]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_setting_has_a_description_and_every_number_a_range(section: str) -> None:
    for kind in (settings_class(section), *nested(settings_class(section))):
        assert kind.__doc__, kind.__name__
        for field in inspect.type_info(kind).fields:
            where = f"{kind.__name__}.{field.name}"
            assert isinstance(field.type, inspect.Metadata), f"{where} has no description"
            assert (field.type.extra_json_schema or {}).get("description"), where
            number = field.type.type
            if isinstance(number, inspect.IntType | inspect.FloatType):
                low = number.ge if number.gt is None else number.gt
                high = number.le if number.lt is None else number.lt
                assert None not in (low, high), f"{where} has no range"


@pytest.mark.parametrize("section", SECTIONS)
def test_settings_know_their_key(section: str) -> None:
    """Messages of ranges that Python breaks name it."""
    kind = settings_class(section)
    assert kind.params_key == section
    for key, inner in nested_with_key(kind, section):
        assert inner.params_key == key


def test_constraints_pin_every_requirement() -> None:
    """All but the CUDA packages, which the build of torch determines."""

    def name(line: str) -> str:
        for end in "[<>=!~; ":
            line = line.split(end)[0]
        return line.lower().replace("_", "-").replace(".", "-")

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {name(line) for line in lines if line and not line.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    requirements = itertools.chain(project["dependencies"], *extras)
    assert {name(line) for line in requirements} - {"tiprdc"} <= pins
    assert not [pin for pin in pins if pin.startswith(("nvidia-", "cuda-", "triton"))]
    assert "://" not in "".join(line for line in lines if not line.startswith("#"))


def test_lock_of_the_page_names_no_other_registry() -> None:
    lock = json.loads((ROOT / "examples" / "web" / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages
    for package in packages:
        assert package["integrity"]
        resolved = package.get("resolved", "https://registry.npmjs.org/")
        assert resolved.startswith("https://registry.npmjs.org/")


def test_lowest_constraints_are_the_lower_bounds_of_pyproject() -> None:
    assert lowest.read()[0] == lowest.lowest_pins(), "run python -m tests.helpers.lowest"


def test_commands_and_paths_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.* ##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md", "docs/cluster.md", "docs/release.md"):
        text = (ROOT / name).read_text()
        named = re.findall(r"^ {4}(?:.*&& )?make ([a-z-]+)|`make ([a-z-]+)`", text, re.MULTILINE)
        assert {a or b for a, b in named} <= targets, name
        for file in re.findall(r"`((?:docs|data|tests|stages|pipelines|tiprdc)/[\w./-]+)`", text):
            assert (ROOT / file).exists(), f"{name} names {file}"


def test_tree_of_contributing_names_every_folder() -> None:
    tree = (ROOT / "CONTRIBUTING.md").read_text().split("```")[1]
    for package in ("pipelines", "tiprdc"):
        (part,) = re.findall(rf"^{package}/.*\n((?:  .*\n)+)", tree, re.MULTILINE)
        named = {name for line in part.splitlines() for name in re.findall(r"(\w+)/", line[:80])}
        folders = {path.parent for path in (ROOT / package).rglob("__init__.py")}
        names = {path.name for path in folders if path.parent == ROOT / package}
        nested = {path.name for path in folders} - names - {package}
        assert names <= named <= names | nested, names ^ named


def test_wheel_holds_the_library_and_its_data_only(tmp_path: Path) -> None:
    names = zipfile.ZipFile(build_wheel(tmp_path)).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"tiprdc"}
    data = {
        str(p.relative_to(ROOT)) for p in (ROOT / "tiprdc").rglob("*")
        if p.is_file() and p.suffix != ".pyc"
    }  # fmt: skip
    assert data <= set(names)


@functools.cache
def dvc_yaml() -> dict[str, Any]:
    graph: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")
    return graph


@functools.cache
def params_yaml() -> dict[str, Any]:
    sections: dict[str, Any] = YAML(typ="safe").load(ROOT / "params.yaml")
    return sections


@functools.cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def deps_of(stage: Mapping[str, Any]) -> list[str]:
    """The stage's deps that are files or folders of the packages."""
    return [dep for dep in stage["deps"] if dep.split("/")[0] in PACKAGES]


def covers(dep: str, file: str) -> bool:
    return file == dep or file.startswith(f"{dep}/")


def imported_files(stage: str) -> set[str]:
    """Files of this project that a stage imports, directly or not, and the data files they name."""
    graph, modules, waiting = imports(), set[str](), [f"stages.{stage}"]
    while waiting:
        module = waiting.pop()
        if module in modules:
            continue
        modules.add(module)
        waiting += graph.find_modules_directly_imported_by(module)
        # Importing a.b runs a/__init__.py too.
        package = module.rpartition(".")[0]
        if package and graph.find_modules_directly_imported_by(package):
            waiting.append(package)
    files = {file_of(module) for module in modules}
    text = "".join((ROOT / file).read_text() for file in files)
    return files | {data for data in data_files() if Path(data).name in text}


def file_of(module: str) -> str:
    path = Path(*module.split("."))
    file = path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")
    return file.as_posix()


def data_files() -> Iterator[str]:
    """HTML and JSON files in the packages, and the folder of templates."""
    for package in ("tiprdc", "pipelines"):
        for path in (ROOT / package).rglob("*"):
            if path.suffix in (".html", ".json") or path.name == "templates":
                yield path.relative_to(ROOT).as_posix()


def nested(kind: Any) -> Iterator[Any]:
    yield from (inner for _, inner in nested_with_key(kind, ""))


def nested_with_key(kind: Any, key: str) -> Iterator[tuple[str, Any]]:
    for field in inspect.type_info(kind).fields:
        inner = getattr(field.type, "type", field.type)
        if isinstance(inner, inspect.StructType):
            yield f"{key}.{field.name}", inner.cls
            yield from nested_with_key(inner.cls, f"{key}.{field.name}")


def setting_keys(kind: Any, before: str = "") -> Iterator[str]:
    """Keys of a settings class and of those in it, with dots."""
    for field in inspect.type_info(kind).fields:
        inner = getattr(field.type, "type", field.type)
        if isinstance(inner, inspect.StructType):
            yield from setting_keys(inner.cls, f"{before}{field.name}.")
        else:
            yield f"{before}{field.name}"


def value_of(config: Any, key: str) -> Any:
    return functools.reduce(getattr, key.split("."), config)


def leaves(section: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Keys of a section with dots; an empty table is a leaf."""
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"
