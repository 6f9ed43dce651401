"""Products, and how a price comes to be of one.

What a price says about money is the business of `prices.py`.
"""

from reconciler.simulator.kernel import refusals
from reconciler.simulator.kernel.form import Form, merged
from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import refused
from reconciler.simulator.kernel.world import Call, Json
from reconciler.simulator.objects.notices import events
from reconciler.simulator.objects.selling import prices

PRODUCT = (
    "active default_price_data description id images marketing_features metadata name "
    "package_dimensions shippable statement_descriptor tax_code tax_details type unit_label url"
)
PRODUCT_CHANGES = (
    "active default_price description images marketing_features metadata name package_dimensions "
    "shippable statement_descriptor tax_code tax_details unit_label url"
)
PRODUCT_FILTERS = "active created ids shippable type url"
PRICE = (
    "active billing_scheme currency currency_options custom_unit_amount lookup_key metadata "
    "nickname product product_data recurring tax_behavior tiers tiers_mode transfer_lookup_key "
    "transform_quantity unit_amount unit_amount_decimal"
)
"""What these operations take: they are not in the part of Stripe's schema that is kept here."""

_TEXTS = ("description", "statement_descriptor", "tax_code", "unit_label", "url")


# Products.


def create_product(call: Call) -> Json:
    form = call.form
    name, given = form.needed("name"), form.text("id")
    if given and given in call.book.shelf("product"):
        raise refused(f"Product already exists: {given}", "resource_already_exists", "id")
    sold = form.mapping("default_price_data")
    terms = prices.terms(Form(sold)) if sold else {}
    product = put_product(call, Form({**form.values, "name": name}), given)
    if sold:
        price = prices.put(call, Form(sold), product["id"], terms)
        product["default_price"] = price["id"]
    events.emit(call, "product.created", product)
    if sold:
        prices.announce(call, "created", price)
    return product


def put_product(call: Call, form: Form, product_id: str | None = None) -> Json:
    """A product on its shelf, of which nobody has been told yet."""
    product: Json = {
        "id": product_id or call.world.ids.new("prod"),
        "object": "product",
        "active": form.flag("active") if "active" in form else True,
        "created": call.now,
        "default_price": None,
        "description": form.text("description"),
        "images": form.texts("images"),
        "livemode": False,
        "marketing_features": list(form.values.get("marketing_features") or []),
        "metadata": form.metadata(),
        "name": form.needed("name"),
        "package_dimensions": None,
        "shippable": form.flag("shippable") if "shippable" in form else None,
        "statement_descriptor": form.text("statement_descriptor"),
        "tax_code": form.text("tax_code"),
        "type": form.choice("type", ("good", "service")) or "service",
        "unit_label": form.text("unit_label"),
        "updated": call.now,
        "url": form.text("url"),
    }
    return call.world.put(call.book, "product", product)


def update_product(call: Call) -> Json:
    product, form = call.book.get("product", call.path["id"]), call.form
    changes: Json = {"metadata": merged(product["metadata"], form.metadata())}
    changes.update({name: form.text(name) for name in _TEXTS if name in form})
    changes.update({name: form.flag(name) for name in ("active", "shippable") if name in form})
    if "name" in form:
        changes["name"] = form.needed("name")
    if "images" in form:
        changes["images"] = [image for image in form.texts("images") if image]
    if "default_price" in form:
        changes["default_price"] = _own_price(call, product, form.text("default_price"))
    if any(product[name] != value for name, value in changes.items()):
        changes["updated"] = call.now
    events.amend(call, product, changes, "product.updated")
    return product


def _own_price(call: Call, product: Json, given: str | None) -> str | None:
    if given is None:
        return None
    if call.book.get("price", given, "default_price")["product"] != product["id"]:
        raise refused(
            f"The price `{given}` does not belong to product `{product['id']}`.",
            param="default_price",
        )
    return given


def delete_product(call: Call) -> Json:
    product = call.book.get("product", call.path["id"])
    if any(price["product"] == product["id"] for price in call.book.shelf("price").values()):
        raise refused(
            "This product cannot be deleted because it has one or more user-created prices."
        )
    call.book.shelf("product").pop(product["id"])
    call.world.index.pop(product["id"])
    product["active"] = False
    events.emit(call, "product.deleted", product)
    return {"id": product["id"], "object": "product", "deleted": True}


def retrieve_product(call: Call) -> Json:
    return call.book.get("product", call.path["id"])


def list_products(call: Call) -> Json:
    ids = set(call.form.texts("ids"))

    def keep(row: Json) -> bool:
        return (not ids or row["id"] in ids) and prices.as_flagged(call, row, "active", "shippable")

    return page(call, call.book.shelf("product"), equal=("url", "type"), keep=keep)


# Prices.


def create_price(call: Call) -> Json:
    price = new_price(call, call.form)
    prices.announce(call, "created", price)
    return price


def new_price(call: Call, form: Form, param: str = "", price_id: str | None = None) -> Json:
    """A price of a named product, or of one described with it, which is then made first."""
    described = form.mapping("product_data")
    if bool(described) == ("product" in form):
        raise refused(
            "You must specify exactly one of `product` or `product_data` when creating a price.",
            param=f"{param}product" if described else None,
        )
    if not described:
        given = form.needed("product")
        if not call.book.get("product", given, f"{param}product")["active"]:
            raise refused("The product is inactive.", param=f"{param}product")
        return prices.put(call, form, given, prices.terms(form), price_id)
    if described.get("name") in (None, ""):
        raise refusals.missing_parameter(f"{param}product_data[name]")
    terms = prices.terms(form)
    product = put_product(call, Form(described))
    events.emit(call, "product.created", product)
    return prices.put(call, form, product["id"], terms, price_id)
