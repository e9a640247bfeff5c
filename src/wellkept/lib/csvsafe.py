"""Cells of a CSV file that a spreadsheet takes for text and never for a formula (OWASP: CSV injection)."""

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cell(value: object) -> object:
    """The value for a CSV writer: text that a spreadsheet could run gets an apostrophe in front; numbers stay numbers, None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    text = str(value)
    return f"'{text}" if text.lstrip(" \u00a0").startswith(DANGEROUS) else text
