"""The titles and reasons of the notes that come with releases, for translation: they are data, and pages say them in the reader's language."""

from django.utils.translation import gettext_noop

TEXTS = (
    gettext_noop("Empty references become NULL"),
    gettext_noop("References to models and modules become foreign keys, and an empty text is no key."),
    gettext_noop("The button for the lines of a price list goes"),
    gettext_noop("The module product_price_list_dates replaces the button, and its record is in the way."),
    gettext_noop("Names of models and fields move to other columns"),
    gettext_noop('Without the new columns the migration ends after seconds: column "string" of relation "ir_model" does not exist.'),
    gettext_noop("Passwords with an old hash have to be set again"),
    gettext_noop(
        "Tryton 8.0 checks argon2 and bcrypt hashes only. Whoever has an older one (scrypt, pbkdf2) cannot sign in "
        "after the upgrade and gets an error instead of a refusal. Nobody can compute a new hash without the password: "
        "let these users reset their password, the administrator first."
    ),
    gettext_noop("Carriers before and after an incoterm may be empty"),
    gettext_noop("The new series fills these columns later than it reads them."),
    gettext_noop("The module google_maps is no longer there"),
    gettext_noop("A module that is active and has no files ends the migration."),
    gettext_noop("The module account_es is no longer there"),
    gettext_noop("Others maintain it now. A module that is active and has no files ends the migration."),
    gettext_noop("The module account_es_sii is no longer there"),
    gettext_noop("The module account_de_skr03 is no longer there"),
    gettext_noop("Internal shipments between warehouses remember their transit location"),
    gettext_noop(
        "The new series keeps the transit location in the shipment instead of computing it; without it a shipment on its way cannot be received."
    ),
    gettext_noop("Amounts of account budgets change their sign"),
    gettext_noop("The new series counts budgets the other way round."),
    gettext_noop("Amounts of analytic budgets change their sign"),
    gettext_noop("Validated SEPA mandates get the first address of their party"),
    gettext_noop("The new series needs an address in every validated mandate."),
    gettext_noop("Moves into a production have no currency"),
    gettext_noop(
        "The new series refuses a currency on a stock move without a unit price, and the old one wrote it on every move"
        " into a production. Such a production can no longer be changed, and the nightly job that brings its cost up to"
        " date fails."
    ),
)
