"""Test procedures on copies: business flows are tried, before and after a change, and the two runs are compared."""
