"""Calls of a student's functions across a process boundary, without pickle."""
