"""Studies of Bartunov et al. 2018, one file for each result."""
