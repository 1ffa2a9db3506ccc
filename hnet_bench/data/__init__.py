"""MNIST and CIFAR as verified in-memory arrays: `load.py` is the way in, the other modules are its parts."""
