"""What can be wrong with a wish about the estate; each says what the caller has to decide.

::

    EstateError
    ├── NotFound   nothing of this name is visible: name another one
    ├── Taken      the name is in use: choose another one, or use what is there
    └── Invalid    the wish makes no sense: mend it; nothing was stored

``message`` is a stored sentence, so that a page says it in the person's language; ``str()`` says it in English.
"""

from wellkept.lib.text import Told


class EstateError(Told):
    """A wish about organisations, people or systems that cannot be fulfilled; a template is marked for translation where it is written."""


class NotFound(EstateError):
    """Nothing of this name is visible."""


class Taken(EstateError):
    """The name is in use."""


class Invalid(EstateError):
    """The wish makes no sense."""
