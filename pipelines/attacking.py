"""The audit's work on Ray: extract, fit, select, and let the selected decide on attacker-test.

Each task takes one core and is handed whatever it needs: nothing is read from disk, so any machine
of a cluster can do it. Features, records and labels lie in the object store once, and so do the
fitted attackers: attacker-test passes through the extractors only after the choice is made.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from pipelines.console import Progress
from tiprdc.attacks import reconstruction
from tiprdc.attacks.suite import Trial, try_attack
from tiprdc.audit import Plan, Representation
from tiprdc.datasets.schema import Records, Schema
from tiprdc.errors import ModelError
from tiprdc.models.inputs import Columns
from tiprdc.session import open_session, seed_noise
from tiprdc.statistics import balanced_sample

PICTURES_SHOWN = 8
_SLOWEST_FIRST = ("gru", "cnn", "mlp", "kernel", "gradient_boosting")
_EXTRACTED = ("released", "unprotected")


@dataclass(frozen=True)
class Job:
    """One attack to fit: on what, about which attribute or task."""

    target: str
    representation: Representation
    attack: str
    seed: int
    budget: int


@dataclass(frozen=True)
class Data:
    """What is attacked, and by whom."""

    schema: Schema
    train: Records
    select: Records
    test: Records
    models: dict[str, bytes]


def jobs_of(plan: Plan) -> list[Job]:
    """Every attack to fit, in the order of the report."""
    jobs = []
    order: tuple[Representation, ...] = ("released", "unprotected", "raw", "shuffled")
    for representation in order:
        budget = plan.budget if representation == "released" else 1
        for target in plan.private:
            runs = plan.runs(representation)
            jobs += [Job(target, representation, name, seed, budget) for name, seed in runs]
        if representation != "shuffled":
            names = plan.raw if representation == "raw" else plan.probes
            jobs += [
                Job(target, representation, name, plan.seeds[0], 1)
                for target in plan.utility
                for name in names
            ]
    return jobs


def sample(test: Records, schema: Schema, name: str, seed: int) -> NDArray[np.intp]:
    """Rows of attacker-test on which an attribute is scored."""
    return balanced_sample(test.labels[name], test.person, schema.classes(name), seed)


def _extract(model: bytes, x: NDArray[Any]) -> NDArray[np.float32]:
    """Features `[N, D]` of records `[N, ...]` from the exported bytes themselves.

    A release with noise draws it from onnxruntime's generator, which starts anew from one seed of
    the process with every session: hence a seed of the file and the records, the same again for the
    same audit, another for other people.
    """
    seed_noise(_noise_seed(model, x))
    parts = np.array_split(x, max(1, -(-len(x) // 512)))
    try:
        session = open_session(model)
        z = [session.run(["z"], {"x": np.ascontiguousarray(part)})[0] for part in parts]
    except Exception as error:  # onnxruntime's errors have no common class
        reason = str(error).strip().splitlines()[0][:200]
        raise ModelError(
            "ONNX file", reason, f"one that turns x {list(x.shape[1:])} {x.dtype} into z",
            "run `dvc repro -f export`",
        ) from None  # fmt: skip
    return np.concatenate(z).reshape(len(x), -1).astype(np.float32)


def _noise_seed(model: bytes, x: NDArray[Any]) -> int:
    """31 bits that follow from the file and the records."""
    digest = hashlib.sha256(model)
    digest.update(np.ascontiguousarray(x).data)
    return int.from_bytes(digest.digest()[:4], "big") >> 1


def _fit(
    job: Job,
    z_train: NDArray[Any],
    z_select: NDArray[Any],
    u_train: NDArray[np.int64],
    u_select: NDArray[np.int64],
    classes: int,
) -> tuple[Trial, Any]:
    """A trial without its attacker, and the attacker, which stays in the object store."""
    torch.set_num_threads(1)
    train, select = (z_train, u_train), (z_select, u_select)
    trial = try_attack(job.attack, train, select, classes, job.seed, job.budget)
    return Trial(trial.select, trial.status, trial.seconds, None), trial.attacker


def _say(attacker: Any, z: NDArray[Any], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """The attacker's probabilities `[len(rows), K]` on these people of attacker-test."""
    torch.set_num_threads(1)
    said = attacker.probabilities(z[rows])
    if not np.isfinite(said).all():
        raise ValueError("the attacker gives NaN")
    return np.asarray(said)


def _fit_decoder(
    schema: Schema, z: NDArray[Any], x: NDArray[Any], z_select: NDArray[Any], x_select: NDArray[Any]
) -> reconstruction.Decoder:
    torch.set_num_threads(1)
    if schema.modality == "image":
        return reconstruction.fit_picture_decoder((z, x), (z_select, x_select), seed=0)
    return reconstruction.fit_column_decoder((z, x), (z_select, x_select), schema.columns, seed=0)


def _decode(
    schema: Schema, decoder: reconstruction.Decoder, z: NDArray[Any], x: NDArray[Any]
) -> tuple[dict[str, float], NDArray[np.float32]]:
    """Scores, and the first few reconstructions."""
    torch.set_num_threads(1)
    made = decoder(z[: len(x)])
    if schema.modality == "image":
        return reconstruction.picture_scores(made, x), made[:PICTURES_SHOWN]
    return reconstruction.column_scores(made, x, schema.columns), made[:PICTURES_SHOWN]


def _remote(function: Callable[..., Any], returns: int = 1) -> Any:
    return ray.remote(num_cpus=1, max_retries=1, num_returns=returns)(function)


@dataclass(frozen=True)
class Results:
    """What came back from the tasks.

    Args:
        trials: Each job's score on attacker-select.
        chosen: Target and representation -> the selected job.
        said: The same -> its probabilities on the balanced sample, or why there are none.
        features: Shape of one record's features.
        reconstruction, pictures: None and empty where it was not tried or failed.
    """

    trials: dict[Job, Trial]
    chosen: dict[tuple[str, str], Job]
    said: dict[tuple[str, str], NDArray[np.float64] | str]
    features: tuple[int, ...]
    reconstruction: dict[str, dict[str, float]] | None
    pictures: dict[str, NDArray[np.uint8]]


def attack(plan: Plan, data: Data, most_seconds: int) -> Results:
    """Fit, select, and let the selected decide."""
    deadline = time.monotonic() + most_seconds
    schema, jobs = data.schema, jobs_of(plan)
    models = {name: ray.put(content) for name, content in data.models.items()}
    raw = {name: ray.put(_as_seen(part, schema)) for name, part in _parts(data).items()}
    x = {name: ray.put(part.x) for name, part in _parts(data).items()}
    extract = _remote(_extract)

    def represent(part: str) -> dict[str, Any]:
        z = {name: extract.remote(models[name], x[part]) for name in _EXTRACTED}
        return {**z, "shuffled": z["released"], "raw": raw[part]}

    train, select = represent("train"), represent("select")
    # A file that cannot be run is an error here, not the failure of every attack on its features.
    first, *_ = ray.get([part[name] for name in _EXTRACTED for part in (train, select)])
    decoders = {}
    if plan.reconstruction:
        fit_decoder = _remote(_fit_decoder)
        decoders = {
            name: fit_decoder.remote(schema, train[name], x["train"], select[name], x["select"])
            for name in _EXTRACTED
        }
    tasks, attackers = {}, {}
    fit = _remote(_fit, returns=2)
    for job in sorted(jobs, key=_cost):
        labels = [_labels(job, part.labels[job.target], plan) for part in (data.train, data.select)]
        z = train[job.representation], select[job.representation]
        tasks[job], attackers[job] = fit.remote(job, *z, *labels, schema.classes(job.target))
    found = dict(_collect(tasks, deadline, "attack"))
    trials = {job: _trial(found[job]) for job in jobs}
    chosen = _select(trials)
    test = represent("test")
    say = _remote(_say)
    asked = {
        key: say.remote(
            attackers[job], test[job.representation],
            sample(data.test, schema, job.target, plan.sample_seed),
        )
        for key, job in chosen.items()
    }  # fmt: skip
    decode = _remote(_decode)
    few = data.test.x[: reconstruction.MOST_SCORED]
    rebuilt = {
        name: decode.remote(schema, decoder, test[name], few) for name, decoder in decoders.items()
    }
    said = {
        key: f"failed: {type(value).__name__}" if isinstance(value, Exception) else value
        for key, value in _collect(asked, deadline, "test")
    }
    scores, pictures = _rebuilt(dict(_collect(rebuilt, deadline, "reconstruction")), data)
    return Results(trials, chosen, said, first.shape[1:], scores, pictures)


def _parts(data: Data) -> dict[str, Records]:
    return {"train": data.train, "select": data.select, "test": data.test}


def _as_seen(records: Records, schema: Schema) -> NDArray[Any]:
    """The raw record as an attack wants it: columns one-hot and standardised, the rest as it is."""
    if schema.modality != "table":
        return records.x
    with torch.no_grad():
        return np.asarray(Columns(schema.columns)(torch.tensor(records.x)).numpy())


def _labels(job: Job, u: NDArray[np.int64], plan: Plan) -> NDArray[np.int64]:
    """True labels; for the negative control in an order that has nothing to do with the people."""
    if job.representation != "shuffled":
        return u
    place = list(plan.private).index(job.target)
    return np.random.default_rng([plan.sample_seed, place, len(u)]).permutation(u)


def _cost(job: Job) -> tuple[bool, int]:
    """Slow ones first, so that the last core does not wait for one of them."""
    order = _SLOWEST_FIRST
    place = order.index(job.attack) if job.attack in order else len(order)
    return job.representation != "raw", place


def _collect(tasks: dict[Any, Any], deadline: float, label: str) -> Iterable[tuple[Any, Any]]:
    """Each task's result, or the exception that it ended with; late ones are stopped."""
    names = {task: key for key, task in tasks.items()}
    waiting = list(names)
    with Progress(label) as progress:
        progress.add("audit", len(waiting))
        while waiting:
            left = deadline - time.monotonic()
            done, waiting = ray.wait(waiting, timeout=max(0.0, left))
            if not done:
                break
            progress.update("audit", len(tasks) - len(waiting))
            try:
                yield names[done[0]], ray.get(done[0])
            except ray.exceptions.RayError as error:
                yield names[done[0]], error
    for task in waiting:
        ray.cancel(task, force=True)
        yield names[task], TimeoutError("out of time (audit.most_seconds)")


def _trial(found: Any) -> Trial:
    if isinstance(found, Trial):
        return found
    reason = str(found) if isinstance(found, TimeoutError) else type(found).__name__
    return Trial(None, f"failed: {reason}", 0.0, None)


def _select(trials: dict[Job, Trial]) -> dict[tuple[str, str], Job]:
    """Of each target and representation the best job on attacker-select; the first wins a tie."""
    chosen: dict[tuple[str, str], tuple[float, Job]] = {}
    for job, trial in trials.items():
        key = (job.target, job.representation)
        if trial.select is not None and trial.select > chosen.get(key, (-1.0, job))[0]:
            chosen[key] = (trial.select, job)
    return {key: job for key, (_, job) in chosen.items()}


def _rebuilt(
    found: dict[str, Any], data: Data
) -> tuple[dict[str, dict[str, float]] | None, dict[str, NDArray[np.uint8]]]:
    """Scores of each reconstruction beside the mean record's, and a few pictures."""
    if not found or any(isinstance(value, Exception) for value in found.values()):
        return None, {}
    schema, few = data.schema, data.test.x[: reconstruction.MOST_SCORED]
    scores = {name: found[name][0] for name in _EXTRACTED}
    if schema.modality == "table":
        mean = reconstruction.mean_columns(data.train.x, schema.columns, len(few))
        scores["without_features"] = reconstruction.column_scores(mean, few, schema.columns)
        return scores, {}
    mean = reconstruction.mean_picture(data.train.x, len(few))
    scores["without_features"] = reconstruction.picture_scores(mean, few)
    pictures = {n: np.rint(255 * found[n][1]).astype(np.uint8) for n in _EXTRACTED}
    return scores, {"record": few[:PICTURES_SHOWN], **pictures}
