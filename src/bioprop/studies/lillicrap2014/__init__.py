"""Studies of Lillicrap et al. 2014 and 2016, one file for each result."""
