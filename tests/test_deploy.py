"""Where it can run: what Ray's launcher, Kubernetes and KubeRay's reference say of our files.

KubeRay's own CRD comes with the operator and is not at hand here, so the fields below are those of
its reference (ray.io/v1, KubeRay 1.6) that we use; whatever else is written is refused. Pods are
checked against Kubernetes' own schema, strictly.
"""

from __future__ import annotations

import re
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
# `ray start` options: all text, as the operator wants them.
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
def test_rays_launcher_takes_it(name: str) -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(read(name), YAML(typ="safe").load(schema))
    # The schema takes any provider; this does not.
    validate_config(prepare_config(read(name)))


def test_what_checks_the_provider_can_fail() -> None:
    with pytest.raises(NotImplementedError, match="Unsupported node provider: nonsense"):
        validate_config(
            prepare_config({**read("ray_cluster.yaml"), "provider": {"type": "nonsense"}})
        )


@pytest.mark.parametrize("name", LAUNCHED)
def test_strangers_are_kept_out(name: str) -> None:
    config = read(name)
    # A key of its own, not the user's.
    assert "tiprdc_cluster" in config["auth"]["ssh_private_key"]
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for kind in ("head", "worker"):
        (start,) = [c for c in config[f"{kind}_start_ray_commands"] if "ray start" in c]
        assert "RAY_AUTH_MODE=token" in start
        assert start.endswith("--metrics-export-port=8080") or kind == "head"
        assert "--metrics-export-port=8080" in start
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert any("RAY_AUTH_MODE=token" in command for command in config["setup_commands"])
    assert {".git", ".venv", "artifacts", "logs", "runs"} <= set(config["rsync_exclude"])


@pytest.mark.parametrize("name", MANIFESTS)
def test_kuberays_reference_knows_every_field(name: str) -> None:
    kind, schema = MANIFESTS[name]
    manifest = read(name)
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", kind)
    jsonschema.validate(manifest["spec"], schema)
    for groups in (group for spec in clusters(manifest) for group in spec["workerGroupSpecs"]):
        assert groups["minReplicas"] <= groups["replicas"] <= groups["maxReplicas"]


@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_takes_the_pods(name: str) -> None:
    for spec in clusters(read(name)):
        assert spec["rayVersion"] == pinned("ray")
        for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}}
            pod["spec"] = group["template"]["spec"]
            kubernetes_validate.validate(pod, KUBERNETES, strict=True)
            mounts = {mount["name"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
            assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
            assert pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_what_checks_the_pods_can_fail() -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}}
    pod["spec"] = {"containers": [{"name": "ray", "imagee": "x"}]}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_commands_have_options_that_the_script_has() -> None:
    from typer.main import get_command

    from pipelines.tuning import app

    options = get_command(app).params
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    said = {
        name: (ROOT / name).read_text()
        for name in ("docs/cluster.md", "ray_cluster.yaml", *MANIFESTS)
    }
    for name, text in said.items():
        joined = re.sub(r"\\\n\s*|\n\s+(?=--)", " ", text)
        asked = set[str]()
        for command in re.findall(r"pipelines/tuning\.py([^\n`#]*)", joined):
            asked |= set(re.findall(r"--[a-z][a-z-]+", command))
        assert asked <= known, f"{name}: {asked - known}"
        assert "--address" in asked, name


def test_the_image_has_what_the_script_imports() -> None:
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
