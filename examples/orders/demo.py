"""Parsing with Zig's standard library: JSON into structs, structs into named tuples."""

import zigimport  # noqa: F401
import orders

DOCUMENT = """[
    {"customer": "Ada", "items": [
        {"name": "pen", "price": 1.5, "count": 4},
        {"name": "paper", "price": 3.25, "colour": "white", "note": "größer"}
    ]},
    {"customer": "Grace", "items": []}
]"""

for order in orders.parse(DOCUMENT):
    print(order.customer, "pays", orders.total(order.items))
    for item in order.items:
        print("   ", item)

print(orders.total([("pen", 2.0, 3, None), {"name": "ink", "price": 7}]))
for broken in ('[{"customer": "Ada"}]', "[{]"):
    try:
        orders.parse(broken)
    except orders.ZigError as error:
        print(broken, "raises", repr(error))
    except ValueError:
        print(broken, "raises ValueError")
