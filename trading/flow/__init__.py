"""Replay recorded order flow of a venue through this exchange, and compare with what the venue published.

reader.py reads the folder, replay.py sends it through order intake and the matching loop as real orders, verdict.py compares.
"""
