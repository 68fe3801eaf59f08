"""The plugin for napari: a reader, writers, a command and a dock widget (`napari.yaml`).

Only `volume`, `worker` and `widget` import napari and Qt; reader and writers work without both.
"""
