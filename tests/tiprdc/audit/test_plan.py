"""A plan's jobs: every planned attack on every representation, with its seed and budget."""

from __future__ import annotations

from msgspec.structs import replace

from tests.helpers.audit_samples import PASS_MODEL
from tests.helpers.release_project import audit_report
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.fitting import fit_groups
from tiprdc.audit.plan import Job, jobs_of, mandatory_runs, policy_of
from tiprdc.audit.policy import PolicyConfig
from tiprdc.formats.audit_plan import REPRESENTATIONS, Policy

SAMPLE = audit_report(AuditConfig(), PASS_MODEL).plan
PLAN = replace(
    SAMPLE,
    private={"secret": ("off", "on"), "other": ("a", "b", "c")},
    utility={"task": ("no", "yes")},
    people={"secret": 100, "other": 90, "task": 100},
    attacks=("logistic_regression", "mlp"),
    probes=("quadratic", "mlp"),
    raw=("logistic_regression", "cnn"),
    seeds=(3, 4),
    budget=2,
)
"""A plan in which no two roles have the same attacks, seeds or budget."""


def jobs(target: str, representation: str) -> list[tuple[str, int, int]]:
    return [
        (job.attack, job.seed, job.budget)
        for job in jobs_of(PLAN)
        if (job.target, job.representation) == (target, representation)
    ]


def test_released_features_get_every_attack_each_seed_and_the_whole_budget() -> None:
    for name in ("secret", "other"):
        assert jobs(name, "released") == [
            ("logistic_regression", 3, 2), ("mlp", 3, 2), ("mlp", 4, 2),
        ]  # fmt: skip


def test_controls_get_their_attacks_once_with_the_first_seed() -> None:
    for name in ("secret", "other"):
        assert jobs(name, "raw") == [("logistic_regression", 3, 1), ("cnn", 3, 1)]
        assert jobs(name, "unprotected") == [("quadratic", 3, 1), ("mlp", 3, 1)]
        assert jobs(name, "shuffled") == [("quadratic", 3, 1), ("mlp", 3, 1)]


def test_tasks_get_probes_but_no_shuffled_control() -> None:
    assert jobs("task", "released") == [("quadratic", 3, 1), ("mlp", 3, 1)]
    assert jobs("task", "unprotected") == [("quadratic", 3, 1), ("mlp", 3, 1)]
    assert jobs("task", "raw") == [("logistic_regression", 3, 1), ("cnn", 3, 1)]
    assert jobs("task", "shuffled") == []


def test_tasks_have_a_joint_fit_of_their_own_on_released_features() -> None:
    """One fit of both would be a weaker attack: it chose its pass by the tasks as well."""
    plan = replace(PLAN, attacks=("residual",), probes=("residual",), raw=("residual",), seeds=(3,))
    plan = replace(plan, budget=1)
    groups = [
        (group[0].representation, {job.target for job in group})
        for group in fit_groups(jobs_of(plan), plan.private)
        if group[0].pool == group[-1].pool
    ]
    both, every = {"secret", "other"}, {"secret", "other", "task"}
    assert [targets for where, targets in groups if where == "released"] == [both, {"task"}]
    assert [targets for where, targets in groups if where == "raw"] == [every]
    assert [targets for where, targets in groups if where == "shuffled"] == [both]


def test_jobs_follow_the_report_s_order_and_none_is_there_twice() -> None:
    every = jobs_of(PLAN)
    assert len(set(every)) == len(every)
    order = [REPRESENTATIONS.index(job.representation) for job in every]
    assert order == sorted(order)
    assert every[0] == Job("secret", "released", "logistic_regression", 3, 2, "fresh")
    released = [job.target for job in every if job.representation == "released"]
    assert released == ["secret"] * 3 + ["other"] * 3 + ["task"] * 2


def test_without_an_unprotected_file_only_its_jobs_are_gone() -> None:
    assert PLAN.unprotected_sha256 is not None
    fewer = jobs_of(replace(PLAN, unprotected_sha256=None))
    assert fewer == [job for job in jobs_of(PLAN) if job.representation != "unprotected"]
    assert any(job.representation == "raw" for job in fewer)
    assert any(job.representation == "shuffled" for job in fewer)


def test_every_mandatory_run_is_a_job() -> None:
    for representation in REPRESENTATIONS:
        for target in PLAN.private:
            runs = mandatory_runs(PLAN, representation)
            assert [(attack, seed) for attack, seed, _ in jobs(target, representation)] == [
                (attack, seed) for attack, seed, _ in runs
            ]


def test_plan_holds_every_key_of_the_policy() -> None:
    config = PolicyConfig(
        margin=0.07, against="floor", confidence=0.9, min_people=77, attacker_people=5000,
        certificate=True,
    )  # fmt: skip
    held = policy_of(config, {"fresh": 1000})
    assert isinstance(held, Policy)
    for key in PolicyConfig.__struct_fields__:
        assert getattr(held, key) == getattr(config, key), key
