"""What every strategy must do, checked in seconds on a synthetic benchmark: `hnet-bench check NAME`."""
