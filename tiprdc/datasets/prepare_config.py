"""Settings of the preparation: which data set, and how its people are divided (`prepare`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from tiprdc.datasets.adult import AdultConfig, adult_reader
from tiprdc.datasets.avatars.reader import AvatarsConfig, AvatarsReader
from tiprdc.datasets.celeba import CelebaConfig, celeba_reader
from tiprdc.datasets.dial import DialConfig, dial_reader
from tiprdc.datasets.lfw import LfwConfig, lfw_reader
from tiprdc.datasets.manifest.config import ManifestConfig
from tiprdc.datasets.manifest.reader import ManifestReader
from tiprdc.datasets.reader import Reader
from tiprdc.datasets.splits import SharesConfig
from tiprdc.settings import MAX_SEED, Settings

Section = AvatarsConfig | AdultConfig | CelebaConfig | LfwConfig | DialConfig | ManifestConfig


class PrepareConfig(Settings, frozen=True, kw_only=True):
    """From a data set to shards (`prepare`)."""

    params_key: ClassVar[str] = "prepare"

    dataset: Annotated[
        Literal["avatars", "adult", "celeba", "lfw", "dial", "manifest"],
        Meta(description="Data set; only the section of its name is read."),
    ] = "avatars"
    seed: Annotated[
        int,
        Meta(
            ge=0, le=MAX_SEED,
            description="Seed that assigns people to splits and, for avatars, draws the faces.",
        ),
    ] = 0  # fmt: skip
    shares: Annotated[
        SharesConfig, Meta(description="Shares of the people in the four splits.")
    ] = SharesConfig()
    records_per_shard: Annotated[
        int, Meta(ge=16, le=65_536, description="Records in a file, one task of a worker.")
    ] = 1024
    max_unreadable: Annotated[
        float,
        Meta(
            ge=0, le=1,
            description="Largest share of unreadable records; they are left out and counted.",
        ),
    ] = 0.01  # fmt: skip
    min_people: Annotated[
        int,
        Meta(
            ge=1, le=1_000_000,
            description="Fewest people of each class of each named attribute in each split.",
        ),
    ] = 10  # fmt: skip
    avatars: Annotated[AvatarsConfig, Meta(description="Generated faces.")] = AvatarsConfig()
    adult: Annotated[AdultConfig, Meta(description="UCI Adult, a census table.")] = AdultConfig()
    celeba: Annotated[CelebaConfig, Meta(description="Faces of celebrities.")] = CelebaConfig()
    lfw: Annotated[LfwConfig, Meta(description="Faces in the news.")] = LfwConfig()
    dial: Annotated[DialConfig, Meta(description="Tweets by dialect.")] = DialConfig()
    manifest: Annotated[ManifestConfig, Meta(description="Your own data.")] = ManifestConfig()

    @property
    def section(self) -> Section:
        """The chosen data set's own settings."""
        section: Section = getattr(self, self.dataset)
        return section

    @property
    def private(self) -> tuple[str, ...]:
        """Attributes to hide."""
        return self.section.private

    @property
    def utility(self) -> tuple[str, ...]:
        """Attributes that stand for unseen tasks and are not to be hidden."""
        return tuple(name for name in self.section.utility if name not in self.private)


READERS: dict[str, Callable[[PrepareConfig], Reader]] = {
    "avatars": lambda config: AvatarsReader(config.avatars, config.seed),
    "adult": lambda config: adult_reader(config.adult),
    "celeba": lambda config: celeba_reader(config.celeba),
    "lfw": lambda config: lfw_reader(config.lfw),
    "dial": lambda config: dial_reader(config.dial),
    "manifest": lambda config: ManifestReader(config.manifest),
}
"""Name of a data set -> its reader."""
