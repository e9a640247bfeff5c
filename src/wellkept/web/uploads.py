"""Where a file lies that somebody sends, until a page has read it."""

import tempfile
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler


class Nameless(FileUploadHandler):
    """Keeps it in a file without a name, of which nothing is left when the process is killed; Django's own has a name."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Take a part of it."""
        if start == 0:
            self.kept = tempfile.TemporaryFile()  # noqa: SIM115 - it lives until Django closes the request
        self.kept.write(raw_data)

    def file_complete(self, file_size: int) -> "UploadedFile[Any] | None":
        """All of it."""
        if not file_size:
            return None
        self.kept.seek(0)
        return UploadedFile(self.kept, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra)
