"""The course around the package: its notebooks and its pages' pictures. Imports nothing of the model."""
