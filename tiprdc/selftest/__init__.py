"""Self-test of the auditor: audits of features whose leak is known."""
