"""The audit: plan -> attacks -> findings -> verdict, the same on one core and on a cluster."""
