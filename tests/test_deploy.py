"""Cluster files: checks by Ray's launcher, Kubernetes' schema and KubeRay's reference.

KubeRay's own CRD comes with the operator, so the schema below has the fields of its reference
(ray.io/v1, KubeRay 1.6) that we use; other fields are refused. Pods are checked strictly against
Kubernetes' own schema.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray
from ray.autoscaler._private.util import prepare_config, validate_config
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
LAUNCHED = ["ray_cluster.yaml", "deploy/aws.yaml"]
KUBERNETES = "1.34"


def read(name: str) -> Any:
    return YAML(typ="safe").load(ROOT / name)


def fields(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


TEXT, COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
# Options of `ray start`: the operator requires strings.
START = {"type": "object", "additionalProperties": {"type": "string"}}
HEAD = fields(
    ["rayStartParams", "template"], rayStartParams=START, template=fields(["spec"], spec={}),
    serviceType={"enum": ["ClusterIP"]},
)  # fmt: skip
WORKERS = fields(
    ["groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"],
    groupName={"type": "string", "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"}, replicas=COUNT,
    minReplicas=COUNT, maxReplicas=COUNT, rayStartParams=START,
    template=fields(["spec"], spec={}),
)  # fmt: skip
CLUSTER = fields(
    ["rayVersion", "authOptions", "headGroupSpec", "workerGroupSpecs"],
    rayVersion=TEXT,
    authOptions=fields(["mode"], mode={"const": "token"}),
    enableInTreeAutoscaling={"type": "boolean"},
    autoscalerOptions=fields([], idleTimeoutSeconds=COUNT),
    headGroupSpec=HEAD,
    workerGroupSpecs={"type": "array", "minItems": 1, "items": WORKERS},
)
JOB = fields(
    ["entrypoint", "rayClusterSpec"],
    entrypoint=TEXT,
    submissionMode={"enum": ["K8sJobMode", "HTTPMode", "SidecarMode"]},
    backoffLimit=COUNT,
    shutdownAfterJobFinishes={"type": "boolean"},
    ttlSecondsAfterFinished=COUNT,
    rayClusterSpec=CLUSTER,
)
MANIFESTS = {
    "deploy/kuberay-cluster.yaml": ("RayCluster", CLUSTER),
    "deploy/kuberay-job.yaml": ("RayJob", JOB),
}


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_launcher_accepts_the_file(name: str) -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(read(name), YAML(typ="safe").load(schema))
    # The schema accepts any provider; this does not.
    validate_config(prepare_config(read(name)))


def test_launcher_check_refuses_an_unknown_provider() -> None:
    with pytest.raises(NotImplementedError, match="Unsupported node provider: nonsense"):
        validate_config(
            prepare_config({**read("ray_cluster.yaml"), "provider": {"type": "nonsense"}})
        )


@pytest.mark.parametrize("name", LAUNCHED)
def test_cluster_needs_a_token_and_a_dedicated_key(name: str) -> None:
    config = read(name)
    # A dedicated key, not the user's.
    assert "tiprdc_cluster" in config["auth"]["ssh_private_key"]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for kind in ("head", "worker"):
        (start,) = [c for c in config[f"{kind}_start_ray_commands"] if "ray start" in c]
        assert "RAY_AUTH_MODE=token" in start
        assert start.endswith("--metrics-export-port=8080") or kind == "head"
        assert "--metrics-export-port=8080" in start
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    assert {"/.git", "/.venv", "/artifacts", "/logs", "/reports", "/runs"} <= set(
        config["rsync_exclude"]
    )


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_has_only_fields_of_the_kuberay_reference(name: str) -> None:
    kind, schema = MANIFESTS[name]
    manifest = read(name)
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", kind)
    jsonschema.validate(manifest["spec"], schema)
    for groups in (group for spec in clusters(manifest) for group in spec["workerGroupSpecs"]):
        assert groups["minReplicas"] <= groups["replicas"] <= groups["maxReplicas"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_schema_accepts_the_pods(name: str) -> None:
    for spec in clusters(read(name)):
        assert spec["rayVersion"] == pinned("ray")
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}}
            pod["spec"] = group["template"]["spec"]
            kubernetes_validate.validate(pod, KUBERNETES, strict=True)
            mounts = {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
            assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
            assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_pod_check_refuses_an_unknown_field() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}}
    pod["spec"] = {"containers": [{"name": "ray", "imagee": "x"}]}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_documented_commands_use_existing_options() -> None:
    from typer.main import get_command

    from pipelines.tuning import app

    options = get_command(app).params
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    texts = {
        name: (ROOT / name).read_text()
        for name in ("docs/cluster.md", "ray_cluster.yaml", *MANIFESTS)
    }
    for name, text in texts.items():
        joined = re.sub(r"\\\n\s*|\n\s+(?=--)", " ", text)
        used = set[str]()
        for command in re.findall(r"pipelines/tuning\.py([^\n`#]*)", joined):
            used |= set(re.findall(r"--[a-z][a-z-]+", command))
        assert used <= known, f"{name}: {used - known}"
        assert "--address" in used, name


def test_image_contains_what_the_script_imports() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    for source in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
    assert {"pipelines", "tiprdc", "params.yaml"} <= set(re.findall(r"[\w.]+", text))
    assert '".[cluster]"' in text


def clusters(manifest: dict[str, Any]) -> Iterator[Any]:
    spec = manifest["spec"]
    yield spec["rayClusterSpec"] if manifest["kind"] == "RayJob" else spec


def pinned(package: str) -> str:
    text = (ROOT / "constraints.txt").read_text()
    (version,) = re.findall(rf"^{package}==(.+)$", text, re.MULTILINE)
    return str(version)


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync copies what `ray up` copies")
@pytest.mark.parametrize("name", LAUNCHED)
def test_every_file_of_the_code_goes_to_the_cluster(name: str, tmp_path: Path) -> None:
    """As Ray's launcher calls rsync: a name to leave out may be a package's, too."""
    config = read(name)
    options = [f"--exclude={pattern}" for pattern in config["rsync_exclude"]]
    options += [f"--filter=dir-merge,- {file}" for file in config["rsync_filter"]]
    listed = subprocess.run(
        ["rsync", "--archive", "--dry-run", "--out-format=%n", *options, f"{ROOT}/", tmp_path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    code = {
        path.relative_to(ROOT).as_posix()
        for folder in ("pipelines", "stages", "tiprdc")
        for path in (ROOT / folder).rglob("*")
        if path.suffix != ".pyc" and path.is_file()
    }
    assert code <= set(listed.stdout.splitlines())
