"""Xiao, Chen, Liao, Poggio 2018: one file for each result."""
