"""Tollhouse's tests: files mirror the paths of what they test, and their names read as sentences."""
