"""What is trained: target networks, hypernetworks and their output regulariser. Torch alone, no Avalanche."""
