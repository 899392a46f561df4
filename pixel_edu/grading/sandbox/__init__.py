"""Where students' code runs: processes that can reach nothing but what they are given."""
