"""Tryton's client in small: a person with lists, forms and buttons, over RPC. What a form fills in by itself is what the ERP's own on-changes say."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wellkept.adapters.base import Conflicting, Invalid, Login, Site
from wellkept.adapters.tryton import rpc
from wellkept.lib.text import gettext_noop

MOST_WARNINGS = 10
MOST_ROUNDS = 5
LISTS = ("one2many", "many2many")
SECONDS = 180.0
SINCE_8 = {
    ("stock.shipment.out", "done"): "do",
    ("stock.shipment.in", "done"): "do",
    ("production", "done"): "do",
}
"""Buttons that have another name from series 8.0 on, by model and their name in 7.0."""


@dataclass
class Person:
    """A signed-in user in one company. ``confirmed`` collects the warnings that were answered with yes; who only looks ``confirms`` none."""

    role: str
    login: str
    session: rpc.Session
    context: Mapping[str, Any]
    renamed: Mapping[tuple[str, str], str]
    confirmed: list[str] = field(default_factory=list)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    unsaved: int = 0
    confirms: bool = True

    def call(self, method: str, *params: Any, **context: Any) -> Any:
        """Call ``sale.sale.read`` and the like; warnings are confirmed, as a person would do who knows what he is doing."""
        for _ in range(MOST_WARNINGS):
            try:
                return self.session.call(f"model.{method}", *params, context={**self.context, **context})
            except rpc.Warned as warning:
                if not self.confirms:
                    raise
                self.confirmed.append(str(warning))
                self.session.call("model.res.user.warning.create", [{"user": self.session.user, "name": warning.name}], context=dict(self.context))
        raise Conflicting(gettext_noop("{method} goes on warning: {words}"), method=method, words=self.confirmed[-1])

    def press(self, model: str, button: str, *records: int) -> None:
        """Press a button, by its name in 7.0, on records."""
        self.call(f"{model}.{self.renamed.get((model, button), button)}", list(records))

    def read(self, model: str, record: int, *names: str) -> dict[str, Any]:
        """Fields of one record. Raises Invalid when the person does not see it."""
        rows = self.call(f"{model}.read", [record], list(names))
        if len(rows) != 1:
            raise Invalid(gettext_noop("{user} does not see {record}"), user=self.login, record=f"{model} {record}")
        return dict(rows[0])

    def fields(self, model: str) -> dict[str, Any]:
        """The definitions of a model's fields, as this person may see them."""
        if model not in self.definitions:
            self.definitions[model] = self.call(f"{model}.fields_get")
        return self.definitions[model]

    def form(self, model: str) -> "Form":
        """A new, unsaved record with its defaults."""
        form = Form(self, model, None, None)
        form.take(self.call(f"{model}.default_get", list(self.fields(model))))
        return form


class Form:
    """A record while it is being entered. ``values`` are what the form shows; a list holds the ids of saved records and the forms of new ones."""

    def __init__(self, person: Person, model: str, parent: "Form | None", by: str | None) -> None:
        self.person, self.model, self.parent, self.by = person, model, parent, by
        self.values: dict[str, Any] = {}
        person.unsaved += 1
        self.number = -person.unsaved

    def __contains__(self, name: str) -> bool:
        return name in self.person.fields(self.model)

    def enter(self, **values: Any) -> "Form":
        """Enter values one after the other; what the ERP changes because of each is taken over."""
        for name, value in values.items():
            if name not in self:
                raise Invalid(gettext_noop("the form of {model} has no field {field}"), model=self.model, field=name)
            self.values[name] = value
            self.follow({name})
        return self

    def line(self, name: str, **values: Any) -> "Form":
        """Add a line with values to the list ``name``."""
        line = self._new_line(name)
        line.take(self.person.call(f"{line.model}.default_get", list(self.person.fields(line.model))))
        line.follow({*line.values, line.by or ""} & self.person.fields(line.model).keys())
        self.values[name] = [*(self.values.get(name) or []), line]
        line.enter(**values)
        self.follow({name})
        return line

    def save(self) -> int:
        """Create the record and return its id."""
        (record,) = self.person.call(f"{self.model}.create", [self.filled()])
        return int(record)

    def take(self, answer: Mapping[str, Any]) -> None:
        """Show the values of an answer; a change of a list comes as what is added, changed and removed."""
        definitions = self.person.fields(self.model)
        for name, value in answer.items():
            if name not in definitions:
                continue
            if definitions[name]["type"] not in LISTS:
                self.values[name] = value
            elif isinstance(value, Mapping):
                self._change_list(name, value)
            else:
                self.values[name] = [self._item(name, item) for item in value or ()]

    def filled(self) -> dict[str, Any]:
        """The values as ``create`` wants them, without what nobody can enter."""
        definitions, filled = self.person.fields(self.model), dict[str, Any]()
        for name, value in self.values.items():
            if definitions[name].get("readonly") or name in {"id", "rec_name", self.by}:
                continue
            filled[name] = _commands(value) if definitions[name]["type"] in LISTS else value
        return filled

    def follow(self, changed: set[str]) -> None:
        """Ask the ERP what follows from changed fields, until nothing does."""
        definitions = self.person.fields(self.model)
        asked = [name for name in changed if definitions[name].get("on_change")]
        if asked:
            answers = self._ask("on_change", asked)
            for answer in answers if isinstance(answers, list) else [answers]:
                changed = changed | set(answer)
                self.take(answer)
        for _ in range(MOST_ROUNDS):
            following = [name for name, one in definitions.items() if changed & set(one.get("on_change_with") or ()) - {name}]
            if not following:
                return
            answer = self._ask("on_change_with", following)
            changed = {name for name, value in answer.items() if self.values.get(name) != value}
            self.take(answer)

    def _ask(self, way: str, names: list[str]) -> Any:
        definitions = self.person.fields(self.model)
        needed = {needs for name in names for needs in definitions[name][way]}
        return self.person.call(f"{self.model}.{way}", self._shown(needed), names)

    def _shown(self, names: set[str]) -> dict[str, Any]:
        """The values of some fields as on-changes want them."""
        sent: dict[str, Any] = {"id": self.number}
        for name in sorted(names - {"id"}):
            owner, _, inner = name.removeprefix("_parent_").partition(".")
            if name.startswith("_parent_"):
                if self.parent is not None and owner == self.by:
                    sent[name] = self.parent.number if inner == "id" else _plain(self.parent.values.get(inner))
            elif self.parent is None or name != self.by:
                sent[name] = _plain(self.values.get(name))
        return sent

    def plain(self) -> dict[str, Any]:
        """All fields, the empty ones too, as an on-change of the form that this one is a line of wants them."""
        names = self.person.fields(self.model).keys() - {"id", self.by}
        return {"id": self.number} | {name: _plain(self.values.get(name)) for name in sorted(names)}

    def _new_line(self, name: str) -> "Form":
        definition = self.person.fields(self.model)[name]
        return Form(self.person, definition["relation"], self, definition.get("relation_field"))

    def _item(self, name: str, item: Any) -> "int | Form":
        if isinstance(item, int):
            return item
        if isinstance(item.get("id"), int) and item["id"] > 0:
            return int(item["id"])
        line = self._new_line(name)
        line.take(item)
        return line

    def _change_list(self, name: str, change: Mapping[str, Any]) -> None:
        gone = {*change.get("remove", ()), *change.get("delete", ())}
        items = [item for item in self.values.get(name) or [] if _number(item) not in gone]
        for row in change.get("update", ()):
            for item in items:
                if isinstance(item, Form) and item.number == row["id"]:
                    item.take(row)
        for index, row in change.get("add", ()):
            items.insert(len(items) if index < 0 else index, self._item(name, row))
        self.values[name] = items


def _number(item: "int | Form") -> int:
    return item.number if isinstance(item, Form) else item


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.plain() if isinstance(value, Form) else value


def _commands(items: "Sequence[int | Form] | None") -> list[tuple[str, Any]]:
    known = [item for item in items or () if isinstance(item, int)]
    fresh = [item.filled() for item in items or () if isinstance(item, Form)]
    return [*([("add", known)] if known else []), *([("create", fresh)] if fresh else [])]


@contextmanager
def signed_in(site: Site, role: str, login: Login, company: int | None = None) -> Iterator[Person]:
    """A person who is signed in, in a company (their own unless one is named), and signed out at the end of the block."""
    with rpc.session(site, login, timeout=SECONDS) as session:
        preferences = session.call("model.res.user.get_preferences", True)
        context = dict(preferences) if isinstance(preferences, dict) else {}
        if company is not None:
            context["company"] = company
        renamed = SINCE_8 if session.path.endswith("/rpc/") else {}
        yield Person(role, login.user, session, context, renamed)
