"""Leave out what only costs time while nobody else uses the database, after Tryton's configuration was read."""

import gc


def skip_checks():
    """Check no domains of records, whose reading took a third of the time; the modules' own checks stay. The memory is given back at the end."""
    from trytond.model import ModelStorage

    def validate(cls, records, field_names=None):
        records = cls.browse(records)
        cls.validate(records)
        cls.validate_fields(records, cls._fields.keys() if field_names is None else set(field_names))

    ModelStorage._validate = classmethod(validate)
    gc.disable()
