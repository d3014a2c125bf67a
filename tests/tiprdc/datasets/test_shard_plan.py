"""A plan of shards: people split, inputs fitted; what cannot be read is counted and refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from tests.helpers.pictures import striped
from tiprdc.datasets.adult import AdultConfig
from tiprdc.datasets.avatars.reader import AvatarsConfig
from tiprdc.datasets.celeba import CelebaConfig
from tiprdc.datasets.dial import FILES, DialConfig
from tiprdc.datasets.lfw import LfwConfig
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.prepare_config import READERS, PrepareConfig
from tiprdc.datasets.schema import SPLITS, Schema
from tiprdc.datasets.shard_plan import make_plan
from tiprdc.datasets.shard_writing import write_shards
from tiprdc.errors import ConfigError, DataError

EXAMPLE = PrepareConfig(dataset="manifest", records_per_shard=32)


def faces(folder: Path, *, broken: int) -> PrepareConfig:
    """240 pictures, the first of them broken."""
    folder.mkdir()
    rows = []
    for number in range(240):
        striped((9, 9), number, "L").save(folder / f"{number:03d}.png")
        rows.append((f"{number:03d}.png", number, "f" if number % 2 else "m"))
    for name, _, _ in rows[:broken]:
        (folder / name).write_bytes(b"\x89PNG")
    pd.DataFrame(rows, columns=["image", "id", "gender"]).to_csv(folder / "a.csv", index=False)
    manifest = ManifestConfig(
        path=str(folder / "a.csv"),
        root=str(folder),
        private=("gender",),
        utility=(),
        person="id",
        split=None,
        size=8,
    )
    return PrepareConfig(dataset="manifest", manifest=manifest, min_people=2, records_per_shard=64)


def test_attributes_come_from_the_section_of_the_data_set() -> None:
    config = PrepareConfig(
        avatars=AvatarsConfig(private=("glasses",), utility=("smile", "glasses")),
        adult=AdultConfig(private=("sex", "race"), utility=("income", "sex")),
    )
    assert (config.private, config.utility) == (("glasses",), ("smile",))
    adult = replace(config, dataset="adult")
    assert (adult.private, adult.utility) == (("sex", "race"), ("income",))


def test_every_data_set_has_a_reader_and_a_section() -> None:
    names = get_args(get_type_hints(PrepareConfig)["dataset"])
    assert set(names) == set(READERS)
    for name in names:
        assert replace(PrepareConfig(), dataset=name).section is not None


def celeba(root: Path) -> PrepareConfig:
    """60 people with two pictures each; the first picture of five of them is missing."""
    (root / "img_align_celeba").mkdir(parents=True)
    attributes, partition, identity = ["120", "Male Smiling"], [], []
    for number in range(120):
        name, person = f"{number + 1:06d}.jpg", number % 60
        attributes.append(f"{name} {1 if person % 2 else -1:2d} {1 if number % 3 else -1:2d}")
        partition.append(f"{name} {0 if person < 30 else 1 if person < 40 else 2}")
        identity.append(f"{name} {person + 1}")
        if number >= 5:
            striped((178, 218), number, "L").save(root / "img_align_celeba" / name)
    for file, lines in (
        ("list_attr_celeba.txt", attributes),
        ("list_eval_partition.txt", partition),
        ("identity_CelebA.txt", identity),
    ):
        (root / file).write_text("\n".join(lines) + "\n")
    config = CelebaConfig(root=str(root), utility=("Smiling",), size=8)
    return PrepareConfig(dataset="celeba", celeba=config, min_people=2)


def lfw(root: Path) -> PrepareConfig:
    """60 people with two pictures each."""
    lines = ["# scores", "#\tperson\timagenum\tMale\tMouth Slightly Open"]
    for person in range(60):
        for number in (1, 2):
            path = root / "lfw" / f"A_{person}" / f"A_{person}_{number:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            striped((250, 250), person + 100 * (number - 1), "L").save(path)
            lines.append(f"A {person}\t{number}\t{person % 2 - 0.5}\t{number - 1.5}")
    (root / "lfw_attributes.txt").write_text("\n".join(lines) + "\n")
    config = LfwConfig(root=str(root), utility=("Mouth Slightly Open",), size=8)
    return PrepareConfig(dataset="lfw", lfw=config, min_people=2)


def dial(root: Path) -> PrepareConfig:
    """30 tweets in each file, 20 of them different, and some in all files."""
    root.mkdir()
    words = [f"word{number}" for number in range(200)]
    (root / "vocab").write_text("\n".join(words))
    for start, file in enumerate(FILES):
        ids = [[start * 50 + n % 20 if n % 20 > 1 else n % 20, 7, 8] for n in range(30)]
        (root / file).write_text("".join(" ".join(map(str, line)) + "\n" for line in ids))
    config = DialConfig(root=str(root), length=16, vocabulary=300)
    return PrepareConfig(dataset="dial", dial=config, min_people=2)


@pytest.mark.parametrize(
    ("write", "records", "shape"),
    [(celeba, 115, (3, 8, 8)), (lfw, 120, (3, 8, 8)), (dial, 120, (16,))],
)
def test_official_layouts_are_read_into_records(
    tmp_path: Path, write: Any, records: int, shape: tuple[int, ...]
) -> None:
    config = write(tmp_path / "data")
    # A worker receives the plan pickled.
    plan = pickle.loads(pickle.dumps(make_plan(config)))
    assert len(plan.records) == records
    assert set(plan.split) == set(SPLITS)
    by_person = plan.records.groupby("person")["record"].apply(
        lambda rows: set(plan.split[rows.index])
    )
    assert all(len(splits) == 1 for splits in by_person)
    batch = plan.reader.read(plan.records, plan.fitted)
    assert batch.readable.all()
    assert batch.x.shape == (records, *shape)
    if config.dataset == "celeba":
        person = plan.records["person"].astype(int)
        assert set(plan.split[person > 40]) == {"attacker-test"}
        assert set(plan.split[(person > 30) & (person <= 40)]) == {"attacker-select"}
        assert plan.notes == ("5 of 120 listed pictures are not there.",)
        shade = plan.records["record"].str[:6].astype(int) - 1
        np.testing.assert_allclose(batch.x[:, 0, 4, 1], shade, atol=3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "prepare.seed: -1"),
        ({"records_per_shard": 1}, "16 to 65536"),
        ({"max_unreadable": 1.5}, "0 to 1"),
        ({"min_people": 0}, "1 to 1000000"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        PrepareConfig(**change)
    assert words in str(refusal.value)


def test_plan_assigns_each_row_to_one_file_of_its_split() -> None:
    plan = make_plan(EXAMPLE)
    stops = [0, *(stop for _, _, stop in plan.shards)]
    assert [start for _, start, _ in plan.shards] == stops[:-1]
    assert stops[-1] == len(plan.records) == 240
    for file, start, stop in plan.shards:
        assert 0 < stop - start <= 32
        assert set(plan.split[start:stop]) == {file.split("/")[0]}
    assert len({file for file, _, _ in plan.shards}) == len(plan.shards)


def test_plan_shuffles_the_order_of_the_source(tmp_path: Path) -> None:
    plan = make_plan(faces(tmp_path / "a", broken=0))
    first = plan.records["person"].astype(int)[plan.split == SPLITS[0]]
    assert not first.is_monotonic_increasing
    assert abs(first.iloc[:40].mean() - first.mean()) < 40


def test_private_and_utility_attributes_come_first() -> None:
    plan = make_plan(
        PrepareConfig(avatars=AvatarsConfig(people=2000, attackers=0, utility=("smile",)))
    )
    assert [a.name for a in plan.attributes[:3]] == ["skin_tone", "smile", "facial_hair"]
    assert len(plan.attributes) == 23


def test_attackers_join_attacker_train_and_change_no_other_split() -> None:
    few, many = (
        make_plan(PrepareConfig(avatars=AvatarsConfig(people=2000, attackers=n))) for n in (0, 500)
    )
    for name in SPLITS:
        before = few.records["person"][few.split == name].tolist()
        after = many.records["person"][many.split == name].tolist()
        kept = [person for person in after if int(person) < 2000]
        assert kept == before
        assert len(after) - len(before) == (500 if name == "attacker-train" else 0)


def test_columns_are_fitted_on_extractor_train_alone() -> None:
    config = PrepareConfig(dataset="adult", shares=replace(EXAMPLE.shares, extractor=0.3,
                                                           attacker_train=0.48))  # fmt: skip
    plan = make_plan(config)
    ages = plan.records["x:age"].astype(float)[plan.split == "extractor-train"]
    age = next(column for column in plan.fitted.columns if column.name == "age")
    assert age.mean == pytest.approx(ages.mean())
    assert age.std == pytest.approx(ages.std(ddof=0))


def test_too_few_people_are_refused_before_any_record_is_read() -> None:
    config = PrepareConfig(dataset="adult", adult=AdultConfig(private=("race",)), min_people=50)
    with pytest.raises(DataError) as refusal:
        make_plan(config)
    message = str(refusal.value)
    assert message.startswith("prepare.adult: too few people (race 'Amer-Indian-Eskimo': ")
    assert "in attacker-select" in message
    assert "lower prepare.min_people" in message


def test_unreadable_records_are_counted_and_refused_above_the_limit(
    tmp_path: Path,
) -> None:
    plan, said = make_plan(EXAMPLE), list[str]()

    def write(unreadable: dict[int, str]) -> Schema:
        encoded = [("part", (b"", unreadable))]
        return write_shards(EXAMPLE, plan, encoded, tmp_path, said.append)

    note = write({0: "no such file", 3: "no such file"}).notes[-1]
    names = plan.records["record"]
    # A release ships the note, so it names nobody's file.
    assert note == "Left out: 2 of 240 records cannot be used (no such file: 2)."
    assert any(f"(no such file: 2): {names[0]}, {names[3]}" in line for line in said)
    with pytest.raises(DataError, match="3 of 240"):
        write(dict.fromkeys(range(3), "of one colour"))
    with pytest.raises(DataError) as refusal:
        write(dict.fromkeys(range(7), "of one colour"))
    message = str(refusal.value)
    assert f"7 of 240 records cannot be used (of one colour: 7): {names[0]}" in message
    assert f"{names[4]} and 2 more" in message
    assert names[5] not in message
    assert "at most 1.00% of the records (prepare.max_unreadable)" in message
