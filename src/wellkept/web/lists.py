"""The one list of all list pages: search, filters as chips, sort, pages, export, selection, keys. Its state lives in the address.

A page gives a django-filter FilterSet (what can be searched and filtered) and a django-tables2 Table (the columns); everything else is here.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import django_filters
import django_tables2 as tables
from django.core.paginator import EmptyPage, PageNotAnInteger
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from wellkept.lib import csvsafe

PAGE = 30
EXPORT_LIMIT = 100_000


@dataclass(frozen=True)
class Choice:
    """One value of a chip: its label and the address that sets it."""

    label: str
    address: str
    chosen: bool


@dataclass(frozen=True)
class Chip:
    """One filter: its label, the label of the value that is set, and all values."""

    label: str
    now: str
    choices: list[Choice]


@dataclass(frozen=True)
class Empty:
    """What an empty list says: what it is for, and the one action that starts it (an address, or a command to type)."""

    icon: str
    title: str
    text: str
    label: str = ""
    address: str = ""
    command: str = ""


class Table(tables.Table):  # type: ignore[misc]
    """The columns of a list; ``row-link`` is the link that Enter opens."""

    class Meta:
        orderable = True
        attrs = {"class": "list"}  # noqa: RUF012 - the library reads it so
        empty_text = ""


class Filters(django_filters.FilterSet):  # type: ignore[misc]
    """Filters of a list; a search field is called ``q``."""

    @property
    def active(self) -> bool:
        """Whether anything narrows the list."""
        return (
            any(value not in (None, "", []) for value in getattr(self.form, "cleaned_data", {}).values())
            if self.is_bound and self.form.is_valid()
            else False
        )


class Search(django_filters.CharFilter):  # type: ignore[misc]
    """Finds rows in which every word occurs in one of the fields."""

    def __init__(self, *fields: str) -> None:
        super().__init__(method=self.search, label=_("Search"))
        self.fields = fields

    def search(self, rows: Any, _name: str, value: str) -> Any:
        from django.db.models import Q

        for word in value.split():
            condition = Q()
            for field in self.fields:
                condition |= Q(**{f"{field}__icontains": word})
            rows = rows.filter(condition)
        return rows


def address(request: HttpRequest, **changes: str | None) -> str:
    """The address of the same page with some parameters changed (None removes one); back to the first page."""
    query = request.GET.copy()
    query.pop("page", None)
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}"


def chips(request: HttpRequest, form: Any) -> list[Chip]:
    """The filters of the form that have choices, as chips."""
    made = []
    for name, field in form.fields.items():
        if not hasattr(field, "choices"):
            continue
        value = request.GET.get(name, "")
        choices = [
            Choice(str(label), address(request, **{name: str(key)}), str(key) == value) for key, label in field.choices if key not in (None, "")
        ]
        now = next((choice.label for choice in choices if choice.chosen), "")
        if choices:
            made.append(Chip(str(field.label), now, [Choice(str(_("All")), address(request, **{name: None}), not now), *choices]))
    return made


def listing(
    request: HttpRequest,
    table: Table,
    filters: Filters | None,
    *,
    template: str = "lists/page.html",
    empty: Empty,
    bulk: Sequence[tuple[str, str]] = (),
    context: dict[str, Any] | None = None,
    export_name: str = "list",
) -> HttpResponseBase:
    """Answer a request for a list page: the page, or with ``?export=csv`` everything that the filters leave.

    ``bulk`` are (label, address) of actions on the selected rows, which receive ``ids``.
    """
    table.request = request
    if sort := request.GET.getlist("sort"):
        table.order_by = sort
    if request.GET.get("export") == "csv":
        return export(table, export_name)
    paginate(table, request.GET.get("page", "1"))
    page = table.page
    return render(
        request,
        template,
        {
            "table": table,
            "filters": filters,
            "chips": chips(request, filters.form) if filters is not None else [],
            "filtered": bool(filters is not None and filters.active),
            "empty": empty,
            "bulk": bulk,
            "plain_address": request.path,
            "export_address": address(request, export="csv"),
            "sorts": {column.name: address(request, sort=column.order_by_alias.next) for column in table.columns if column.orderable},
            "previous_address": address(request) + f"&page={page.previous_page_number()}" if page.has_previous() else "",
            "next_address": address(request) + f"&page={page.next_page_number()}" if page.has_next() else "",
            **(context or {}),
        },
    )


def paginate(table: Table, number: str) -> None:
    """Show one page; a number that is none shows the first, one beyond the end the last."""
    try:
        table.paginate(page=number, per_page=PAGE)
    except PageNotAnInteger:
        table.paginate(page=1, per_page=PAGE)
    except EmptyPage:
        table.paginate(page=table.paginator.num_pages, per_page=PAGE)


class _Line:
    def write(self, value: str) -> str:
        return value


def export(table: Table, name: str) -> HttpResponseBase:
    """The rows as CSV that a spreadsheet cannot mistake for formulas."""
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        for number, row in enumerate(table.as_values(exclude_columns=("select",))):
            if number > EXPORT_LIMIT:
                break
            yield writer.writerow([csvsafe.cell(plain(value)) for value in row])

    return download(lines(), name, "csv", "text/csv; charset=utf-8")


def plain(value: Any) -> Any:
    """A cell for export: moments in the reader's zone in ISO form."""
    return timezone.localtime(value).isoformat(timespec="seconds") if hasattr(value, "tzinfo") and hasattr(value, "hour") else value


def download(lines: Iterable[str], name: str, ending: str, kind: str) -> StreamingHttpResponse:
    """A file that the browser saves, with today's date in its name."""
    response = StreamingHttpResponse(lines, content_type=kind)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{timezone.localdate():%Y-%m-%d}.{ending}"'
    return response
