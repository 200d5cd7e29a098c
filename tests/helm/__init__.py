"""The charts: linted, rendered with every values file, validated offline, and held to the policies they promise."""
