"""The auditor's own proof: leaks of known size, audited by the code that audits releases."""
