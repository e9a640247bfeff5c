"""Give records the moment at which they would have been entered, in working hours of their own day."""

# Table → column with the day on which its records were made.
DAYS = {
    "sale_sale": "sale_date",
    "purchase_purchase": "purchase_date",
    "account_invoice": "invoice_date",
    "account_move": "date",
    "account_payment": "date",
    "account_statement": "date",
    "stock_move": "COALESCE(effective_date, planned_date)",
    "stock_shipment_in": "COALESCE(effective_date, planned_date)",
    "stock_shipment_out": "COALESCE(effective_date, planned_date)",
    "production": "COALESCE(effective_date, planned_date)",
    "timesheet_line": "date",
    "attendance_line": "date",
    "sale_opportunity": "start_date",
}
MODELS = {
    "sale_sale": "sale.sale",
    "purchase_purchase": "purchase.purchase",
    "account_invoice": "account.invoice",
    "account_move": "account.move",
    "account_payment": "account.payment",
    "account_statement": "account.statement",
    "stock_shipment_in": "stock.shipment.in",
    "stock_shipment_out": "stock.shipment.out",
    "production": "production",
}


def spread_timestamps(session):
    """Set create and write times from the documents' days, and the log of pressed buttons from the documents."""
    with session.work("admin") as transaction, transaction.connection.cursor() as cursor:
        for table, day in DAYS.items():
            # 00:00-08:59 UTC is the working day of Shanghai; a multiplier prime to 540 spreads the records over its minutes.
            moment = f"LEAST(({day})::timestamp + ((id * 37) %% 540) * interval '1 minute', LOCALTIMESTAMP)"
            cursor.execute(
                f'UPDATE "{table}" SET create_date = {moment}, write_date = {moment} WHERE ({day}) IS NOT NULL AND ({day}) <= %s', (session.base,)
            )
        for table, model in MODELS.items():
            cursor.execute(
                f"UPDATE ir_model_log AS log SET create_date = doc.create_date + ((log.id * 13) %% 40) * interval '1 minute' "
                f'FROM "{table}" AS doc WHERE log.resource = %s || doc.id',
                (f"{model},",),
            )
