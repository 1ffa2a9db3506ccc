"""Templates of the baselines that need more than plugins; apart from their settings, since these load no torch."""
