"""Templates of the hypernetwork strategies; apart from their settings, since these load no torch."""
