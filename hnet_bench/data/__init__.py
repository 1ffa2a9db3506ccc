"""MNIST and CIFAR as verified in-memory arrays: `load.py` is the way in, `datasets.py` has what is known of each."""
