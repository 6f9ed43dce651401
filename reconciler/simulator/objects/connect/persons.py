"""Persons: the people behind a company."""

from reconciler.simulator.kernel.pages import page
from reconciler.simulator.kernel.refusals import no_such, refused
from reconciler.simulator.kernel.views import copied
from reconciler.simulator.kernel.world import Book, Call, Json
from reconciler.simulator.objects.connect import account_data, account_shapes
from reconciler.simulator.objects.connect.account_access import connected, guard_identity
from reconciler.simulator.objects.connect.account_changes import changing
from reconciler.simulator.objects.methods import tokens
from reconciler.simulator.objects.notices import events

PARAMETERS = (
    "additional_tos_acceptances address address_kana address_kanji dob documents email first_name "
    "first_name_kana first_name_kanji full_name_aliases gender id_number id_number_secondary "
    "last_name last_name_kana last_name_kanji maiden_name metadata nationality person_token phone "
    "political_exposure registered_address relationship ssn_last_4 us_cfpb_data verification"
)


def create(call: Call) -> Json:
    book = _open(call)
    if account_data.held(book.account, "business_type") == "individual":
        raise refused(
            "You cannot create persons for an account with `business_type` set to `individual`."
        )
    given = _given(call)
    with changing(call.at(book)):
        person = account_shapes.person(call.world.ids.new("person"), book.id, call.now)
        account_data.describe_person(person, given)
        call.world.put(book, "person", person)
        events.emit(call.at(book), "person.created", person)
    return person


def listing(call: Call) -> Json:
    book = connected(call)
    guard_identity(book)
    wanted = {name for name, on in call.form.mapping("relationship").items() if on == "true"}

    def keep(person: Json) -> bool:
        return all(person["relationship"].get(name) for name in wanted)

    people = {person["id"]: person for person in _people(book)}
    return page(call, people, windows=(), keep=keep)


def retrieve(call: Call) -> Json:
    book = connected(call)
    guard_identity(book)
    return _named(book, call.path["person"])


def update(call: Call) -> Json:
    book = _open(call)
    person, given = _named(book, call.path["person"]), _given(call)
    with changing(call.at(book)):
        changed = copied(person)
        account_data.describe_person(changed, given)
        events.amend(call.at(book), person, changed, "person.updated")
    return person


def delete(call: Call) -> Json:
    book = _open(call)
    person = _named(book, call.path["person"])
    if person is book.account.get("individual"):
        raise refused("You cannot delete the person of an account of an individual.")
    with changing(call.at(book)):
        events.emit(call.at(book), "person.deleted", person)
        del book.shelf("person")[person["id"]]
        call.world.index.pop(person["id"], None)
    return {"id": person["id"], "object": "person", "deleted": True}


def _open(call: Call) -> Book:
    book = connected(call)
    guard_identity(book)
    return book


def _given(call: Call) -> Json:
    call.form.metadata()
    given = {name: value for name, value in call.form.values.items() if name != "expand"}
    named = call.form.text("person_token")
    if named is None:
        return given
    return {**given, **tokens.spend(call, named, "person_token")["_person"]}


def _people(book: Book) -> list[Json]:
    individual = book.account.get("individual")
    return [*([individual] if individual else []), *book.shelf("person").values()]


def _named(book: Book, named: str) -> Json:
    person = next((p for p in _people(book) if p["id"] == named), None)
    if person is None:
        raise no_such("person", named)
    return person
