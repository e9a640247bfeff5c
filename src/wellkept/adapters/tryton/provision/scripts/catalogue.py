"""What the company trades with and trades in: parties (some twice), products, bills of material, routings, work centres, opening stock."""

import datetime as dt
from decimal import Decimal

from ground import find_accounts
from session import find, new

ENGLISH = (
    "Ashford",
    "Bramley",
    "Calder",
    "Dunmore",
    "Elgin",
    "Fairfax",
    "Granby",
    "Halden",
    "Ivory",
    "Keswick",
    "Larch",
    "Marlow",
    "Norwood",
    "Ormond",
    "Penrith",
    "Quarry",
    "Rowan",
    "Selby",
    "Thorne",
    "Upton",
)
ENGLISH_TRADES = ("Engineering", "Water Works", "Castings", "Process Systems", "Marine Supplies", "Hydraulics", "Fasteners", "Plant Services")
ENGLISH_ENDS = ("Ltd", "Inc.", "GmbH", "plc", "LLC")
CHINESE_PLACES = ("苏州", "上海", "杭州", "宁波", "深圳", "东莞", "天津", "青岛", "成都", "武汉", "无锡", "南京")
CHINESE_NAMES = ("恒通", "永泰", "华盛", "金源", "瑞丰", "中联", "鑫达", "宏宇", "天成", "德利", "佳美", "新科", "东方", "万和", "正大", "海川")
CHINESE_TRADES = ("机械有限公司", "水务工程有限公司", "铸造厂", "贸易有限公司", "自动化设备有限公司", "五金制品有限公司")
STREETS = ("Station Road", "Mill Lane", "Harbour Street", "King Street", "Foundry Way")
CHINESE_STREETS = ("人民路", "中山东路", "解放大道", "科技园路", "工业大道")
COUNTRY_OF_END = {"Ltd": "GB", "plc": "GB", "Inc.": "US", "LLC": "US", "GmbH": "DE"}


def make_parties(session, count):
    """Create customers and suppliers; about one in fifteen is entered a second time, the way tired people do it.

    Returns (customers, suppliers) as lists of ids.
    """
    rnd = session.random("parties")
    rows = [_party(rnd, number) for number in range(count)]
    copies = [_second_entry(rnd, rows[index]) for index in sorted(rnd.sample(range(count), max(2, count // 15)))]
    with session.work("admin"):
        countries = {country.code: country.id for country in session.get("country.country").search([])}
        procedure = find(session.get("account.dunning.procedure"), ("name", "=", "Reminders")).id
        parties = new(session.get("party.party"), [_party_values(row, countries, procedure) for row in [*rows, *copies]])
        _relations(session, rnd, parties)
        ids = [party.id for party in parties[:count]]
    suppliers = [party for number, party in enumerate(ids) if number % 4 == 0]
    return [party for number, party in enumerate(ids) if number % 4], suppliers


def _party(rnd, number):
    if rnd.random() < 0.55:
        name = f"{rnd.choice(CHINESE_PLACES)}{rnd.choice(CHINESE_NAMES)}{rnd.choice(CHINESE_NAMES)}{rnd.choice(CHINESE_TRADES)}"
        return {
            "name": name,
            "street": f"{rnd.choice(CHINESE_STREETS)} {rnd.randint(1, 900)} 号",
            "city": rnd.choice(CHINESE_PLACES),
            "postal_code": f"{rnd.randint(100000, 699999)}",
            "country": "CN",
            "phone": f"+86 512 {rnd.randint(60000000, 69999999)}",
            "email": f"sales{number}@example.cn",
        }
    end = rnd.choice(ENGLISH_ENDS)
    word = rnd.choice(ENGLISH)
    return {
        "name": f"{word} {rnd.choice(ENGLISH_TRADES)} {end}",
        "street": f"{rnd.randint(1, 250)} {rnd.choice(STREETS)}",
        "city": word + rnd.choice(("ton", "ford", "ham", "bury")),
        "postal_code": f"{rnd.choice('ABCDEGH')}{rnd.randint(1, 20)} {rnd.randint(1, 9)}{rnd.choice('ABDEF')}{rnd.choice('GHJLN')}",
        "country": COUNTRY_OF_END[end],
        "phone": f"+44 20 7946 {rnd.randint(1000, 9999)}",
        "email": f"office{number}@example.com",
    }


def _second_entry(rnd, row):
    """The same company entered again: another spelling, the same telephone or the same mail, a street in other words."""
    name = row["name"]
    spelling = rnd.choice(
        (str.upper, lambda text: text.replace("有限公司", "公司").replace(" Ltd", " Limited"), lambda text: text.replace(" ", "  ") + " ")
    )
    kept = rnd.choice(("phone", "email"))
    return row | {
        "name": spelling(name),
        "street": row["street"].replace("Road", "Rd").replace("Street", "St.").replace(" 号", "号"),
        "phone" if kept == "email" else "email": None,
    }


def _party_values(row, countries, procedure):
    mechanisms = [{"type": kind, "value": row[kind]} for kind in ("phone", "email") if row[kind]]
    address = {"street": row["street"], "city": row["city"], "postal_code": row["postal_code"], "country": countries[row["country"]]}
    return {"name": row["name"], "addresses": [("create", [address])], "contact_mechanisms": [("create", mechanisms)], "dunning_procedure": procedure}


def _relations(session, rnd, parties):
    (kind,) = new(session.get("party.relation.type"), [{"name": "belongs to the group of"}])
    pairs = [rnd.sample(parties, 2) for _ in range(4)]
    new(session.get("party.relation"), [{"from_": one.id, "to": other.id, "type": kind.id} for one, other in pairs])


def make_products(session, count):
    """Create bought parts, made pumps, traded goods and services with suppliers, bills of material and routings.

    Returns {"bought": [...], "made": [...], "services": [...]} with product ids.
    """
    rnd = session.random("products")
    with session.work("admin"):
        category = _categories(session)
        bought = _goods(session, rnd, category, count, "purchasable")
        made = _goods(session, rnd, category, max(3, count // 5), "producible")
        products = {"bought": bought, "made": made, "services": _services(session, category)}
        ids = {kind: [product.id for product in some] for kind, some in products.items()}
    with session.work("planner"):
        Product = session.get("product.product")
        _production_base(session, rnd, Product.browse(ids["bought"]), Product.browse(ids["made"]))
    return ids


def _categories(session):
    accounts = find_accounts(session)
    taxes = {tax.group.kind: tax.id for tax in session.get("account.tax").search([])}
    (category,) = new(
        session.get("product.category"),
        [
            {
                "name": "Goods and services",
                "accounting": True,
                "account_expense": accounts["Main Expense"].id,
                "account_revenue": accounts["Main Revenue"].id,
                "account_stock": accounts["Stock"].id,
                "account_stock_in": accounts["Stock Expense"].id,
                "account_stock_out": accounts["Stock Out Expense"].id,
                "customer_taxes": [("add", [taxes["sale"]])],
                "supplier_taxes": [("add", [taxes["purchase"]])],
            }
        ],
    )
    return category.id


PARTS = (
    ("Bearing", "轴承"),
    ("Seal ring", "密封圈"),
    ("Impeller", "叶轮"),
    ("Shaft", "泵轴"),
    ("Housing", "泵壳"),
    ("Motor", "电机"),
    ("Bolt set", "螺栓组"),
    ("Gasket", "垫片"),
    ("Valve", "阀门"),
    ("Sensor", "传感器"),
)
PUMPS = (("Centrifugal pump", "离心泵"), ("Booster set", "增压机组"), ("Dosing pump", "计量泵"), ("Sewage pump", "排污泵"))


def _goods(session, rnd, category, count, kind):
    unit = find(session.get("product.uom"), ("symbol", "=", "u")).id
    names = PARTS if kind == "purchasable" else PUMPS
    rows = []
    for number in range(count):
        english, chinese = names[number % len(names)]
        size = 20 + 5 * (number // len(names)) + number % 5
        cost = Decimal(rnd.randint(800, 24000)) / 100 if kind == "purchasable" else Decimal(rnd.randint(90000, 320000)) / 100
        rows.append(
            {
                "name": f"{english} {chinese} DN{size}",
                "type": "goods",
                "default_uom": unit,
                "list_price": (cost * Decimal("1.6")).quantize(Decimal("0.01")),
                "cost_price_method": "average",
                "salable": True,
                "sale_uom": unit,
                kind: True,
                "purchase_uom": unit,
                "account_category": category,
                "products": [("create", [{"suffix_code": f"{'P' if kind == 'purchasable' else 'F'}{number:04}", "cost_price": cost}])],
            }
        )
    templates = new(session.get("product.template"), rows)
    return [template.products[0] for template in templates]


def _services(session, category):
    hour = find(session.get("product.uom"), ("symbol", "=", "h")).id
    rows = [
        {
            "name": name,
            "type": "service",
            "default_uom": hour,
            "list_price": Decimal(price),
            "salable": True,
            "sale_uom": hour,
            "account_category": category,
            "products": [("create", [{"suffix_code": code, "cost_price": Decimal(80)}])],
        }
        for name, code, price in (("Installation 安装", "S001", 260), ("Maintenance visit 维护", "S002", 320))
    ]
    return [template.products[0] for template in new(session.get("product.template"), rows)]


def _production_base(session, rnd, bought, made):
    Product = session.get("product.product")
    Center, Category = session.get("production.work.center"), session.get("production.work.center.category")
    Operation, Routing, Bom = session.get("production.routing.operation"), session.get("production.routing"), session.get("production.bom")
    names = ("Machining 机加工", "Assembly 装配", "Testing 测试")
    categories = new(Category, [{"name": name} for name in names])
    (hall,) = new(Center, [{"name": "Hall 1 一号车间", "company": session.company}])
    for number, category in enumerate(categories):
        methods = ("cycle", "hour", "hour")
        new(
            Center,
            [
                {
                    "name": f"{category.name} {letter}",
                    "parent": hall.id,
                    "category": category.id,
                    "company": session.company,
                    "cost_price": Decimal(40 + 10 * number),
                    "cost_method": methods[number],
                }
                for letter in "AB"
            ],
        )
    operations = new(
        Operation,
        [{"name": name, "work_center_category": category.id, "timesheet_available": True} for name, category in zip(names, categories, strict=True)],
    )
    for product in made:
        parts = rnd.sample(bought, min(4, len(bought)))
        inputs = [{"product": part.id, "quantity": rnd.randint(1, 4), "unit": part.default_uom.id} for part in parts]
        (bom,) = new(
            Bom,
            [
                {
                    "name": product.name,
                    "inputs": [("create", inputs)],
                    "outputs": [("create", [{"product": product.id, "quantity": 1, "unit": product.default_uom.id}])],
                }
            ],
        )
        steps = [{"operation": operation.id, "sequence": number} for number, operation in enumerate(operations)]
        (routing,) = new(Routing, [{"name": product.name, "boms": [("add", [bom.id])], "steps": [("create", steps)]}])
        Product.write([product], {"boms": [("create", [{"bom": bom.id, "routing": routing.id}])]})


def make_warehouse(session, products, suppliers, first_day):
    """Shelves, prices of suppliers, order points and the stock of the first day."""
    rnd = session.random("stock")
    with session.work("storekeeper", first_day):
        Location, Product = session.get("stock.location"), session.get("product.product")
        storage = find(Location, ("code", "=", "STO"))
        new(Location, [{"name": f"Shelf {letter}", "code": f"STO-{letter}", "type": "storage", "parent": storage.id} for letter in "AB"])
        goods = Product.browse(products["bought"] + products["made"])
        lines = [
            {"product": product.id, "quantity": rnd.randint(300, 900) if product.id in products["bought"] else rnd.randint(20, 60)}
            for product in goods
        ]
        Inventory = session.get("stock.inventory")
        inventories = new(Inventory, [{"location": storage.id, "company": session.company, "date": first_day, "lines": [("create", lines)]}])
        Inventory.confirm(inventories)
    with session.work("buyer", first_day):
        _supply(session, rnd, products, suppliers)


def _supply(session, rnd, products, suppliers):
    Product, Point = session.get("product.product"), session.get("stock.order_point")
    currency = find(session.get("currency.currency"), ("code", "=", "CNY")).id
    warehouse = find(session.get("stock.location"), ("type", "=", "warehouse")).id
    bought = Product.browse(products["bought"])
    new(
        session.get("purchase.product_supplier"),
        [
            {
                "template": product.template.id,
                "party": supplier,
                "company": session.company,
                "currency": currency,
                "lead_time": dt.timedelta(days=rnd.randint(3, 21)),
                "prices": [("create", [{"quantity": 0, "unit_price": product.cost_price}])],
            }
            for product in bought
            for supplier in rnd.sample(suppliers, min(2, len(suppliers)))
        ],
    )
    order_points = [
        {
            "type": "purchase",
            "product": product.id,
            "warehouse_location": warehouse,
            "min_quantity": 500,
            "target_quantity": 900,
            "company": session.company,
        }
        for product in bought[::3]
    ]
    order_points += [
        {
            "type": "production",
            "product": product,
            "warehouse_location": warehouse,
            "min_quantity": 15,
            "target_quantity": 40,
            "company": session.company,
        }
        for product in products["made"][::2]
    ]
    new(Point, order_points)
