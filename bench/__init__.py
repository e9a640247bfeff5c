"""Measurements that the goals are checked with; ``python -m bench`` (see docs/reference/performance.md)."""
