"""Examples at the end of `tiprdc COMMAND --help`; tests parse each of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "audit": (
        "tiprdc audit model.onnx --data people.csv --private gender --utility income -o report",
        "tiprdc audit model.onnx --data faces.csv --root faces --pixels 0..1 --private gender",
        "tiprdc audit --compare a.onnx b.onnx --data people.csv --private gender -o compared",
    ),
    "collect": (
        "tiprdc collect token phone-1 --database sqlite:///features.db > phone-1.token",
        "tiprdc collect release --database sqlite:///features.db --repo https://host/team/faces.git",
        "tiprdc collect export --database sqlite:///features.db -o features.parquet",
    ),
    "doctor": ("tiprdc doctor", "tiprdc doctor release --json"),
    "extract": (
        "tiprdc extract release pictures -o features.npz",
        "tiprdc extract release posts.csv --column text --id post -o features.parquet",
        "tiprdc extract release pictures -o z.npz --send https://collector.example --token-file t",
    ),
    "forget": ("tiprdc forget https://collector.example --token-file phone-1.token",),
    "inspect": ("tiprdc inspect reports", "tiprdc inspect release --json"),
    "keygen": ('tiprdc keygen "the privacy team" -o ~/release.pem --expires 2027-12-31',),
    "lineage": (
        "tiprdc lineage https://host/team/extractor.git extractor@v1.2.0 --trust KEYS.json",
    ),
    "protect": (
        "tiprdc protect people.parquet --private gender --task income -o release",
        "tiprdc protect encoder.onnx --data faces.csv --pixels 0..1 --private gender -o release",
    ),
    "pull": (
        "tiprdc pull https://host/team/faces.git extractor --stage prod --trust KEYS.json -o new",
        "tiprdc pull ../project extractor --version v1.2.0 --variant int8 -o release",
    ),
    "self-test": ("tiprdc self-test", "tiprdc self-test --full --json"),
    "verify": (
        "tiprdc verify release --trust KEYS.json",
        "tiprdc verify report/audit.json --certificate",
    ),
    "web": (
        "tiprdc web release -o site",
        "tiprdc web release --collector https://collector.example --trust KEYS.json -o site",
    ),
}
"""Command -> what to type."""
