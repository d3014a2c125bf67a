"""The audit: plan, attacks, results, verdict; the same code in one process and on a cluster."""
