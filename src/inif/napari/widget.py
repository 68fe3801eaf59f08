"""The dock widget: compress a layer, look at what became of it, save the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magicgui.widgets import (
    ComboBox,
    Container,
    FloatSpinBox,
    Label,
    LineEdit,
    ProgressBar,
    PushButton,
    SpinBox,
)
from napari.layers import Image as ImageLayer
from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog

from inif.errors import InifError, format_size
from inif.napari.compare import decoded_layer, error_layer
from inif.napari.layers import image_of, letters
from inif.napari.worker import CancelledError, Compression, Report

if TYPE_CHECKING:
    import napari.viewer

    from inif.decode.file import File

RATIO, PSNR = "times smaller", "dB (PSNR)"
_USUAL = {RATIO: 32.0, PSNR: 45.0}


class Compress(Container):
    """Compress a layer in the background; its decoded image and its errors become layers.

    Attributes
    ----------
    layer, axes, goal, unit, effort
        What is asked for.
    start, cancel, save
        Buttons.
    bar, said
        How far the work is, and what there is to say.
    file
        What was made last, in memory; None before.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self._worker: Compression | None = None
        self._source: Any = None
        self.file: File | None = None
        self.layer = ComboBox(label="layer", choices=self._layers)
        self.axes = LineEdit(label="axes", tooltip="one letter of TCZYX for each axis, as in ZYX")
        self.goal = FloatSpinBox(label="to be", value=_USUAL[RATIO], min=1, max=1e6)
        self.unit = ComboBox(label="", choices=[RATIO, PSNR])
        self.effort = SpinBox(label="effort", value=3, min=1, max=9)
        self.start = PushButton(text="Compress")
        self.cancel = PushButton(text="Cancel", enabled=False)
        self.save = PushButton(text="Save file …", enabled=False)
        self.bar = ProgressBar(label="", min=0, max=100, value=0)
        self.said = Label(label="")
        target = Container(widgets=[self.goal, self.unit], layout="horizontal", labels=False)
        target.label = "to be"
        buttons = Container(widgets=[self.start, self.cancel], layout="horizontal", labels=False)
        buttons.label = ""
        shown = [self.layer, self.axes, target, self.effort, buttons, self.bar, self.said]
        super().__init__(widgets=[*shown, self.save])
        self.said.native.setWordWrap(True)
        self.native.destroyed.connect(self._leave)
        self.layer.changed.connect(self._on_layer)
        self.unit.changed.connect(self._on_unit)
        self.start.changed.connect(self._on_start)
        self.cancel.changed.connect(self._on_cancel)
        self.save.changed.connect(self._on_save)
        self._on_layer()

    def _layers(self, _: object) -> list[Any]:
        return [layer for layer in self._viewer.layers if isinstance(layer, ImageLayer)]

    def _on_layer(self) -> None:
        layer = self.layer.value
        self.axes.value = letters(layer.axis_labels) if layer is not None else ""

    def _on_unit(self) -> None:
        self.goal.value = _USUAL[self.unit.value]

    def _on_start(self) -> None:
        layer = self.layer.value
        if layer is None or self._worker is not None:
            return
        data, meta, _ = layer.as_layer_data_tuple()
        by = {RATIO: "ratio", PSNR: "psnr"}[self.unit.value]
        try:
            image = image_of(data, meta, self.axes.value.strip())
        except InifError as error:
            self._say(str(error))
            return
        self._source = data[0] if layer.multiscale else data, meta
        worker = Compression(image, **{by: self.goal.value}, effort=self.effort.value)
        worker.yielded.connect(self._on_report)
        worker.returned.connect(self._on_file)
        worker.errored.connect(self._on_error)
        worker.warned.connect(self._on_warning)
        worker.finished.connect(self._on_end)
        self._worker = worker
        self._working(True)
        self._say("reading")
        worker.start()

    def _on_cancel(self) -> None:
        if self._worker is not None:
            self._worker.quit()
            self._say("stopping")

    def _on_report(self, report: Report) -> None:
        if self._worker is not None and not self._worker.abort_requested:
            self.bar.value = round(100 * report.done)
            self._say(report.text)

    def _on_file(self, file: File) -> None:
        if self._worker is None:
            return
        self.file = file
        original, meta = self._source
        name = f"{meta['name']}, {file.ratio:.3g} times smaller"
        for made in (
            error_layer(file, original, meta, f"errors of {name}"),
            decoded_layer(file, meta, name),
        ):
            self._viewer.add_layer(Layer.create(*made))
        psnr = file.header["lossy"].get("psnr")
        quality = "the very samples" if psnr is None else f"PSNR {psnr:.1f} dB"
        size = format_size(file.file_bytes)
        self._say(f"{size}, {file.ratio:.4g} times smaller than the samples; {quality}")

    def _on_error(self, error: Exception) -> None:
        if self._worker is None:
            return
        if not isinstance(error, InifError | CancelledError):
            raise error
        self._say("cancelled" if isinstance(error, CancelledError) else str(error))

    def _on_warning(self, warned: tuple[Any, ...]) -> None:
        from napari.utils.notifications import show_warning

        show_warning(str(warned[0]))

    def _on_end(self) -> None:
        if self._worker is not None:
            self._worker = None
            self._working(False)

    def _on_save(self) -> None:
        if self.file is None:
            return
        name = f"{self._source[1]['name']}.inif"
        path, _ = QFileDialog.getSaveFileName(self.native, "Save file", name, "inif (*.inif)")
        if path:
            try:
                self.file.save(path, overwrite=True)
            except InifError as error:
                self._say(str(error))

    def _leave(self) -> None:
        """The widget is gone: so is the need for its work."""
        if self._worker is not None:
            self._worker.quit()
            self._worker = None

    def _working(self, on: bool) -> None:
        self.start.enabled, self.cancel.enabled = not on, on
        self.save.enabled = not on and self.file is not None
        self.bar.value = 0

    def _say(self, text: str) -> None:
        self.said.value = text
