"""What figures and their values are called, marked for translation.

Readings are stored with plain English titles and labels, also those of years ago. Whoever shows one in another language recognises a label by its
template here; a label that none of its figure's templates fits is shown as it is.
"""

from collections.abc import Mapping, Sequence

from wellkept.lib.text import gettext_noop

TITLES: Sequence[str] = (
    gettext_noop("Trial balance"),
    gettext_noop("Debit equals credit in every move"),
    gettext_noop("Account moves by journal and month"),
    gettext_noop("Account moves by journal and period"),
    gettext_noop("Receivable by party"),
    gettext_noop("Payable by party"),
    gettext_noop("Open invoices"),
    gettext_noop("Reconciliation"),
    gettext_noop("Gaps in numbers"),
    gettext_noop("Taxes"),
    gettext_noop("Payments"),
    gettext_noop("Bank statements"),
    gettext_noop("Documents by state"),
    gettext_noop("Amounts of orders and invoices"),
    gettext_noop("Orders shipped and invoiced"),
    gettext_noop("Production and work"),
    gettext_noop("Stock by product and location"),
    gettext_noop("Stock value by product"),
    gettext_noop("Stock moves by state and direction"),
    gettext_noop("Prices of products"),
    gettext_noop("Bills of material"),
    gettext_noop("Hours by employee and work"),
    gettext_noop("Attendance"),
    gettext_noop("Master data"),
    gettext_noop("Parties"),
    gettext_noop("Bank accounts"),
    gettext_noop("Attachments"),
    gettext_noop("Files of the database"),
    gettext_noop("Users and their groups"),
    gettext_noop("Rights of the groups"),
    gettext_noop("Scheduled jobs"),
    gettext_noop("Triggers"),
    gettext_noop("Next numbers"),
    gettext_noop("Sequences without gaps"),
)
KEYS: Mapping[str, Sequence[str]] = {
    "trial_balance": (gettext_noop("account {account}, {year}, debit"), gettext_noop("account {account}, {year}, credit")),
    "unbalanced_moves": (
        gettext_noop("moves whose debit is not their credit"),
        gettext_noop("account move {number}, debit minus credit"),
    ),
    "postings": (
        gettext_noop("journal {journal}, {period}, {state}, moves"),
        gettext_noop("journal {journal}, {period}, {state}, lines"),
        gettext_noop("journal {journal}, {period}, {state}, debit"),
        gettext_noop("journal {journal}, {period}, {state}, dates (days since 2000, summed)"),
    ),
    "receivable": (gettext_noop("receivable of party {party}"), gettext_noop("receivable of no party")),
    "payable": (gettext_noop("payable of party {party}"), gettext_noop("payable of no party")),
    "open_invoices": (gettext_noop("open amount of invoice {number} of {party}"),),
    "reconciliations": (
        gettext_noop("account {account}, reconciled lines"),
        gettext_noop("account {account}, reconciliations"),
        gettext_noop("account {account}, not reconciled"),
    ),
    "number_gaps": (
        gettext_noop("{series}, numbers used"),
        gettext_noop("{series}, first number"),
        gettext_noop("{series}, last number"),
        gettext_noop("{series}, missing numbers"),
        gettext_noop("{series}, numbers used twice"),
    ),
    "taxes": (gettext_noop("tax {tax}, {kind} lines"), gettext_noop("tax {tax}, {kind} amount")),
    "payments": (
        gettext_noop("{kind} payments in {journal}, {state}, number"),
        gettext_noop("{kind} payments in {journal}, {state}, amount"),
    ),
    "statements": (gettext_noop("statement {name} of {journal}, {date}"),),
    "amounts": (
        gettext_noop("{document}, {currency}, documents"),
        gettext_noop("{document}, {currency}, lines"),
        gettext_noop("{document}, amount of lines in {currency}"),
        gettext_noop("{document}, tax in {currency}"),
    ),
    "fulfilment": (gettext_noop("{document}, shipment {value}"), gettext_noop("{document}, invoice {value}")),
    "productions": (
        gettext_noop("production of {product}, {state}, number"),
        gettext_noop("production of {product}, {state}, quantity"),
        gettext_noop("work centre {centre}, {state}, cycles"),
        gettext_noop("work centre {centre}, {state}, hours"),
        gettext_noop("work centre {centre}, {state}, cost"),
    ),
    "stock_quantity": (gettext_noop("stock of {product} at {location}"),),
    "stock_value": (gettext_noop("stock value of {product}"),),
    "stock_moves": (
        gettext_noop("stock moves, {way}, number"),
        gettext_noop("stock moves, {way}, quantity"),
        gettext_noop("stock moves, {way}, price"),
        gettext_noop("stock moves, {way}, cost"),
        gettext_noop("stock moves ({company}), {way}, number"),
        gettext_noop("stock moves ({company}), {way}, quantity"),
        gettext_noop("stock moves ({company}), {way}, price"),
        gettext_noop("stock moves ({company}), {way}, cost"),
    ),
    "prices": (
        gettext_noop("cost prices of products {first} to {last}, number"),
        gettext_noop("cost prices of products {first} to {last}, sum"),
        gettext_noop("list prices of templates {first} to {last}, number"),
        gettext_noop("list prices of templates {first} to {last}, sum"),
    ),
    "bills_of_material": (gettext_noop("bill of material {name}"),),
    "hours": (
        gettext_noop("hours of {employee}, lines"),
        gettext_noop("hours of {employee}, cost"),
        gettext_noop("hours of {employee}"),
        gettext_noop("hours on {work}"),
    ),
    "attendance": (
        gettext_noop("attendance of {employee}, {kind}, {month}, entries"),
        gettext_noop("attendance of {employee}, {kind}, {month}, sum of the times of day in hours"),
    ),
    "master_data": (gettext_noop("{record}, active"), gettext_noop("{record}, inactive")),
    "parties": (
        gettext_noop("names and codes of parties {first} to {last}"),
        gettext_noop("identifiers of parties {first} to {last}"),
        gettext_noop("addresses of parties {first} to {last}"),
        gettext_noop("contacts of parties {first} to {last}"),
    ),
    "bank_accounts": (gettext_noop("bank accounts of {party}"),),
    "attachments": (gettext_noop("attachments of {record} {first} to {last}"),),
    "files": (
        gettext_noop("files needed by records of {record}"),
        gettext_noop("files missing or damaged"),
        gettext_noop("file of {owner}"),
    ),
    "users": (gettext_noop("user {login}"),),
    "access_rights": (gettext_noop("rights of {group}, inactive"), gettext_noop("rights of {group}")),
    "scheduled_jobs": (gettext_noop("scheduled job {method}"),),
    "triggers": (gettext_noop("trigger {name}"),),
    "sequences": (gettext_noop("next number of {name}"),),
    "strict_sequences": (gettext_noop("form of {name} numbers"), gettext_noop("next number of {name}")),
}
"""By the name of the figure, the more exact template first. Documents by state are called what Tryton calls them."""
VALUES: Mapping[str, Sequence[str]] = {
    "number_gaps": (gettext_noop("{count} (from {numbers})"),),
    "statements": (gettext_noop("{state}: {start} to {end}, {lines} lines of {total}"),),
    "bills_of_material": (gettext_noop("inactive: {content}"),),
    "parties": (gettext_noop("{count} records, fingerprint {print}"),),
    "bank_accounts": (gettext_noop("{count} numbers, fingerprint {print}"),),
    "attachments": (gettext_noop("{count} attachments, fingerprint {print}"),),
    "files": (gettext_noop("missing"), gettext_noop("unreadable"), gettext_noop("content differs")),
    "users": (gettext_noop("{state}; groups: {groups}; roles: {roles}"), gettext_noop("{state}; groups: {groups}")),
    "access_rights": (gettext_noop("{count} models, {writing} to write, fingerprint {print}"),),
    "scheduled_jobs": (gettext_noop("{state}, every {number} {unit}, company {company}"), gettext_noop("{state}, every {number} {unit}")),
    "triggers": (gettext_noop("{state}, {details}"),),
    "strict_sequences": (gettext_noop("{shape}, inactive"), gettext_noop("plain")),
}
"""What the values that are words look like, by the name of the figure."""
LABELS: Mapping[str, Sequence[str]] = {name: (*keys, *VALUES.get(name, ())) for name, keys in KEYS.items()}
