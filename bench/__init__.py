"""Measurements as ratios against a floor and peers, taken in one run on one machine."""
