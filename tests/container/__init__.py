"""The image, built without a registry, and the charts' rendered pods run from it."""
