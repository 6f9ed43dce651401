"""What is taken by operations that the published part of the schema does not have.

Only where the shape of what is given matters; other rows of the table of routes name parameters.
"""

from typing import Any

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_FLAG: Json = {"anyOf": [{"type": "boolean"}, {"enum": [""]}]}
_FILES: Json = {
    "type": "object",
    "properties": {"files": {"type": "array", "items": {"type": "string"}}},
}
_ACCEPTANCE: Json = {
    "type": "object",
    "properties": {"date": {"type": "integer"}, "ip": _TEXT, "user_agent": _TEXT},
}
_SELF_IDENTIFIED: Json = {"type": "array", "items": _TEXT}

_TOKENS = "POST /v1/tokens"
_PERSONS = ("POST /v1/accounts/{}/persons", "POST /v1/accounts/{}/persons/{}")
_BESIDES: Json = {
    "additional_tos_acceptances": {"type": "object", "properties": {"account": _ACCEPTANCE}},
    "documents": {
        "type": "object",
        "properties": {
            "company_authorization": _FILES,
            "passport": _FILES,
            "visa": _FILES,
        },
    },
    "nationality": _TEXT,
    "person_token": _TEXT,
    "relationship": {
        "type": "object",
        "properties": {
            "authorizer": _FLAG,
            "director": _FLAG,
            "executive": _FLAG,
            "legal_guardian": _FLAG,
            "owner": _FLAG,
            "percent_ownership": {"anyOf": [{"type": "number"}, {"enum": [""]}]},
            "representative": _FLAG,
            "title": _TEXT,
        },
    },
    "us_cfpb_data": {
        "type": "object",
        "properties": {
            "ethnicity_details": {
                "type": "object",
                "properties": {"ethnicity": _SELF_IDENTIFIED, "ethnicity_other": _TEXT},
            },
            "race_details": {
                "type": "object",
                "properties": {"race": _SELF_IDENTIFIED, "race_other": _TEXT},
            },
            "self_identified_gender": _TEXT,
        },
    },
}


def like(place: str, published: Json) -> Json:
    """An operation as the schema would have it: a person is like the individual of an account."""
    if place not in (*_PERSONS, _TOKENS):
        return {}
    accounts = published["paths"]["/v1/accounts"]["post"]["requestBody"]["content"]
    [content] = accounts.values()
    account = content["schema"]["properties"]
    person = {**account["individual"]["properties"], **_BESIDES}
    if place == _TOKENS:
        told = {name: account[name] for name in ("business_type", "company", "individual")}
        told["tos_shown_and_accepted"] = {"type": "boolean"}
        person = {
            "account": {"type": "object", "properties": told},
            "person": {"type": "object", "properties": person},
        }
    return {"requestBody": {"content": {"form": {"schema": {"properties": person}}}}}
