"""Releases: checks, tag and push, promotion, re-audits."""
