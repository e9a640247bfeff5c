"""Figures of the goods: stock, its value, what is planned, prices, and bills of material."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from wellkept.adapters.tryton.figures.source import Source, Table, exact, money, needs
from wellkept.planning.figures import Figure

BUCKET = 1000
MEASURES: Mapping[str, Callable[[Decimal], str]] = {"number": exact, "quantity": exact, "price": money, "cost": money}
Stock = Mapping[tuple[int, int, int], Decimal]
"""Quantity by company, product and location."""
MOST_DIGITS = 6
# Three figures come from one pass: on a million moves each further one costs a second. So does a cast from double precision to numeric, so
# quantities of usual size are summed as whole millionths, which doubles below 10^9 hold exactly.
MOVES = """
    SELECT company, product, from_location, to_location, state, count(*), {quantity}, {price}, {cost}
    FROM stock_move GROUP BY company, product, from_location, to_location, state
"""
MILLIONTHS = """
    coalesce(sum(({quantity} * 1e6)::int8{times}) FILTER (WHERE abs({quantity}) < 1e9), 0)
    + coalesce(sum({quantity}::numeric * 1000000{times}) FILTER (WHERE NOT abs({quantity}) < 1e9), 0)
"""
EVERY_DIGIT = "coalesce(sum({quantity}::numeric * 1000000{times}), 0)"
SUMS = {"quantity": ("internal_quantity", ""), "price": ("quantity", " * unit_price"), "cost": ("internal_quantity", " * cost_price")}
DIGITS = "SELECT coalesce(max(digits), 0) FROM product_uom"
PRODUCTS = "SELECT p.id, coalesce(p.code, ''), t.name FROM product_product p JOIN product_template t ON t.id = p.template"
COSTS = "SELECT company, product, cost_price FROM product_cost_price WHERE cost_price IS NOT NULL"
LOCATIONS = "SELECT id, name, type FROM stock_location"
PRICES = "SELECT company, {link} / %d, count(*), coalesce(sum({value}), 0) FROM {table} GROUP BY 1, 2" % BUCKET  # noqa: UP031 - str.format fills the rest
BILLS = """
    SELECT b.id, b.name, b.active, coalesce(i.told, 'nothing'), coalesce(o.told, 'nothing')
    FROM production_bom b
    LEFT JOIN ({inputs}) i ON i.bom = b.id LEFT JOIN ({outputs}) o ON o.bom = b.id
"""
BILL_LINES = """
    SELECT x.bom, string_agg(x.quantity::numeric::text || ' × ' || coalesce(p.code || ' ', '') || t.name, ', ' ORDER BY p.id, x.id) AS told
    FROM {table} x JOIN product_product p ON p.id = x.product JOIN product_template t ON t.id = p.template GROUP BY x.bom
"""


@dataclass(frozen=True)
class _Moves:
    """All moves of one company, product, way and state."""

    company: int
    product: int
    start: int
    end: int
    state: str
    count: int
    quantity: Decimal
    price: Decimal
    cost: Decimal


@needs("stock_move", "stock_location", "product_product", "product_template")
def stock(source: Source) -> Sequence[Figure]:
    """What lies where and what it is worth, from the done moves; and all moves by state and direction."""
    moves = _moves(source)
    locations = {number: (name, kind) for number, name, kind in source.rows(LOCATIONS)}
    products = {number: f"{code} {name}".strip() for number, code, name in source.rows(PRODUCTS)}
    there: dict[tuple[int, int, int], Decimal] = defaultdict(Decimal)
    for move in moves:
        if move.state == "done":
            there[move.company, move.product, move.end] += move.quantity
            there[move.company, move.product, move.start] -= move.quantity
    quantities = _quantities(source, there, products, locations)
    return quantities, *_values(source, there, products, locations), _planned(source, moves, locations)


def _moves(source: Source) -> list[_Moves]:
    """The moves, their sums exact to the digits of the finest unit (a millionth at least)."""
    finest = next(iter(source.rows(DIGITS)))[0] if source.column("product_uom", "digits") else MOST_DIGITS + 1
    total = MILLIONTHS if finest <= MOST_DIGITS else EVERY_DIGIT
    sums = {name: total.format(quantity=quantity, times=times) for name, (quantity, times) in SUMS.items()}
    return [_Moves(*row[:6], *(Decimal(value).scaleb(-MOST_DIGITS) for value in row[6:])) for row in source.rows(MOVES.format(**sums))]


def _quantities(source: Source, there: Stock, products: Mapping[int, str], locations: Mapping[int, tuple[str, str]]) -> Figure:
    """Per product and location, in the product's own unit."""
    table = Table("stock_quantity", "Stock by product and location")
    for (company, product, location), quantity in there.items():
        if quantity:
            label = f"stock of {products[product]} at {locations[location][0]}{source.of(company)}"
            table.put(f"{company}/{product}/{location}", label, exact(quantity))
    return table.figure()


def _values(source: Source, there: Stock, products: Mapping[int, str], locations: Mapping[int, tuple[str, str]]) -> Sequence[Figure]:
    """Quantity in storage times cost price, per product."""
    if not source.has("product_cost_price"):
        return ()
    costs = {(company, product): cost for company, product, cost in source.rows(COSTS)}
    stored: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    for (company, product, location), quantity in there.items():
        if locations[location][1] == "storage":
            stored[company, product] += quantity
    table = Table("stock_value", "Stock value by product")
    for (company, product), quantity in stored.items():
        value = quantity * costs.get((company, product), Decimal(0))
        table.put(f"{company}/{product}", f"stock value of {products[product]}{source.of(company)}", money(value))
    return (table.figure(),)


def _planned(source: Source, moves: Sequence[_Moves], locations: Mapping[int, tuple[str, str]]) -> Figure:
    """Number, quantity, price and cost of the moves by state and direction."""
    sums: dict[tuple[int, str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(MEASURES))
    for move in moves:
        key = (move.company, move.state, locations[move.start][1], locations[move.end][1])
        added = (Decimal(move.count), move.quantity, move.price, move.cost)
        sums[key] = [old + new for old, new in zip(sums[key], added, strict=True)]
    table = Table("stock_moves", "Stock moves by state and direction")
    for (company, state, start, end), measured in sums.items():
        for (name, say), value in zip(MEASURES.items(), measured, strict=True):
            label = f"stock moves{source.of(company)}, {state}, {start} to {end}, {name}"
            table.put(f"{company}/{state}/{start}/{end}/{name}", label, say(value))
    return table.figure()


def prices(source: Source) -> Sequence[Figure]:
    """Cost and list prices: number and sum, for each thousand products."""
    table = Table("prices", "Prices of products")
    for name, link, value in (("product_cost_price", "product", "cost_price"), ("product_list_price", "template", "list_price")):
        if not source.column(name, value):
            continue
        for company, bucket, count, total in source.rows(PRICES.format(table=name, link=link, value=value)):
            first, kind = (bucket or 0) * BUCKET, value.replace("_", " ")
            label = f"{kind}s of {link}s {first} to {first + BUCKET - 1}{source.of(company)}"
            table.put(f"{name}/{company}/{first}/count", f"{label}, number", exact(count))
            table.put(f"{name}/{company}/{first}/sum", f"{label}, sum", money(total))
    return (table.figure(),) if table.values else ()


@needs("production_bom", "production_bom_input", "production_bom_output", "product_product", "product_template")
def bills_of_material(source: Source) -> Sequence[Figure]:
    """What each bill of material takes and makes."""
    table = Table("bills_of_material", "Bills of material")
    inputs, outputs = (BILL_LINES.format(table=name) for name in ("production_bom_input", "production_bom_output"))
    for bill, name, active, taken, made in source.rows(BILLS.format(inputs=inputs, outputs=outputs)):
        table.put(f"bom/{bill}", f"bill of material {name}", f"{'' if active else 'inactive: '}{taken} → {made}")
    return (table.figure(),)
