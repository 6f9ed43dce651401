"""What Stripe asks of a connected account, in words that its owner understands.

Stripe names a requirement by the path of a field: `individual.verification.document`. Paths that
belong to one question (day, month and year of a birth) become one line. A path that is not known
is shown as it is, never dropped. https://docs.stripe.com/connect/required-verification-information
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_WHOLE = {
    "external_account": "a bank account",
    "business_type": "the kind of business",
    "email": "an e-mail address",
    "business_profile.mcc": "the line of business",
    "business_profile.name": "the name that customers know",
    "business_profile.url": "the website",
    "business_profile.product_description": "a description of what is sold",
    "business_profile.support_phone": "a phone number for customers",
    "business_profile.support_email": "an e-mail address for customers",
    "business_profile.support_url": "a web page for customers who need help",
    "business_profile.annual_revenue": "the yearly revenue",
    "business_profile.monthly_estimated_revenue": "the monthly revenue, estimated",
    "business_profile.estimated_worker_count": "the number of workers, estimated",
    "tos_acceptance": "agreement to Stripe's terms of service",
    "settings.payments.statement_descriptor": "the name on customers' bank statements",
    "settings.card_issuing.tos_acceptance": "agreement to the terms of card issuing",
    "company.name": "the company's legal name",
    "company.name_kana": "the company's legal name in kana",
    "company.name_kanji": "the company's legal name in kanji",
    "company.tax_id": "the company's tax number",
    "company.vat_id": "the company's VAT number",
    "company.registration_number": "the company's registration number",
    "company.export_license_id": "the company's export licence number",
    "company.export_purpose_code": "the company's export purpose code",
    "company.phone": "the company's phone number",
    "company.structure": "the company's legal form",
    "company.address": "the company's address",
    "company.address_kana": "the company's address in kana",
    "company.address_kanji": "the company's address in kanji",
    "company.owners_provided": "a word that all owners are named",
    "company.directors_provided": "a word that all directors are named",
    "company.executives_provided": "a word that all executives are named",
    "company.ownership_declaration": "a declaration of who owns the company",
    "company.verification.document": "a document that proves the company",
    "documents.bank_account_ownership_verification.files": "proof of who owns the bank account",
    "documents.company_license.files": "the company's licence",
    "documents.company_memorandum_of_association.files": "the memorandum of association",
    "documents.company_ministerial_decree.files": "the ministerial decree on the company",
    "documents.company_registration_verification.files": "proof that the company is registered",
    "documents.company_tax_id_verification.files": "proof of the company's tax number",
    "documents.proof_of_registration.files": "proof that the company is registered",
    "documents.proof_of_address.files": "proof of the company's address",
    "documents.proof_of_ultimate_beneficial_ownership.files": "proof of who owns the company",
}

_OF_A_PERSON = {
    "first_name": "the legal name",
    "last_name": "the legal name",
    "first_name_kana": "the legal name in kana",
    "last_name_kana": "the legal name in kana",
    "first_name_kanji": "the legal name in kanji",
    "last_name_kanji": "the legal name in kanji",
    "maiden_name": "the maiden name",
    "full_name_aliases": "other names used",
    "dob": "the date of birth",
    "address": "the home address",
    "address_kana": "the home address in kana",
    "address_kanji": "the home address in kanji",
    "registered_address": "the registered address",
    "email": "an e-mail address",
    "phone": "a phone number",
    "gender": "the gender",
    "nationality": "the nationality",
    "political_exposure": "whether a public office is held",
    "ssn_last_4": "the last four digits of the Social Security number",
    "id_number": "the personal identification number",
    "id_number_secondary": "a second personal identification number",
    "relationship.title": "the job title",
    "relationship.percent_ownership": "the share owned",
    "relationship.owner": "whether they are an owner",
    "relationship.director": "whether they are a director",
    "relationship.executive": "whether they are an executive",
    "relationship.representative": "whether they represent the business",
    "verification.document": "a photo of an identity document",
    "verification.additional_document": "a document that shows the address",
    "verification.proof_of_liveness": "a photo of the face",
    "documents.passport.files": "a photo of the passport",
    "documents.visa.files": "a photo of the visa",
    "documents.company_authorization.files": "proof that they may act for the company",
}

_WHOSE = {
    "individual": "",
    "representative": " of the representative",
    "owners": " of every owner",
    "directors": " of every director",
    "executives": " of every executive",
    "authorizer": " of whoever may sign",
    "joint_owner": " of the joint owner",
}

_PERSON_ID = re.compile(r"person_\w+")
_INTERVENTION = re.compile(r"interv_\w+\.(\w+)\.(\w+)")
_INTERVENTIONS = {
    "business_model_verification": "answers about the business",
    "identity_verification": "proof of identity",
    "rejection_appeal": "an appeal against Stripe's rejection",
    "supportability_rejection_appeal": "an appeal against Stripe's rejection",
    "website_verification": "a look at the website",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that is asked for, the fields of Stripe's that it stands for, and, if it was handed
    in already and not good enough, why, in Stripe's words."""

    words: str
    fields: tuple[str, ...]
    problem: str = ""


def words(field: str) -> str:
    """One requirement in words; as it is written where this version knows no words for it."""
    found = _longest(_WHOLE, field)
    if found:
        return found
    who, _, rest = field.partition(".")
    whose = " of a person in the business" if _PERSON_ID.fullmatch(who) else _WHOSE.get(who)
    of_them = _longest(_OF_A_PERSON, rest) if whose is not None else ""
    if of_them:
        return of_them + str(whose)
    if who in ("owners", "directors", "executives") and not rest:
        return f"the {who} of the company"
    intervention = _INTERVENTION.fullmatch(field)
    if intervention:
        return _INTERVENTIONS.get(intervention[1], field)
    return field


def asked(fields: Iterable[str], problems: Mapping[str, str] | None = None) -> list[Asked]:
    """One line for each thing asked for, in the order of the fields."""
    lines: dict[str, list[str]] = {}
    for field in fields:
        named = lines.setdefault(words(field), [])
        if field not in named:
            named.append(field)
    why = problems or {}
    return [
        Asked(line, tuple(named), next((why[f] for f in named if f in why), ""))
        for line, named in lines.items()
    ]


def _longest(known: Mapping[str, str], path: str) -> str:
    """The words for the path, or for the longest beginning of it that has some."""
    while path:
        if path in known:
            return known[path]
        path = path.rpartition(".")[0]
    return ""


DISABLED = {
    "action_required.requested_capabilities": "Stripe waits for a capability to be completed.",
    "listed": "The account may be on a list of sanctioned or prohibited parties; Stripe looks"
    " into it.",
    "other": "Stripe has paused the account and looks into it.",
    "platform_paused": "The platform has paused the account.",
    "under_review": "Stripe is reviewing the account.",
    "requirements.past_due": "Something that Stripe asked for was not handed in.",
    "requirements.pending_verification": "Stripe is checking what was handed in.",
    "rejected.fraud": "Stripe rejected the account because of suspected fraud.",
    "rejected.incomplete_verification": "Stripe rejected the account because its verification was"
    " never completed.",
    "rejected.listed": "Stripe rejected the account because it is on a list of sanctioned or"
    " prohibited parties.",
    "rejected.other": "Stripe rejected the account.",
    "rejected.platform_fraud": "The platform rejected the account because of suspected fraud.",
    "rejected.platform_other": "The platform rejected the account.",
    "rejected.platform_terms_of_service": "The platform rejected the account because it breaks the"
    " platform's terms.",
    "rejected.terms_of_service": "Stripe rejected the account because it breaks Stripe's terms of"
    " service.",
}
"""Every `requirements.disabled_reason` of API version 2026-10-28, as a sentence."""


def disabled(reason: str) -> str:
    """Why the account is held back, as a sentence; nothing when it is not."""
    if not reason:
        return ""
    return DISABLED.get(reason, f"Stripe has disabled the account: {reason}.")


CAPABILITIES = {
    "transfers": "receive money from the platform",
    "card_payments": "take card payments",
    "legacy_payments": "take payments",
    "tax_reporting_us_1099_k": "have US tax form 1099-K filed",
    "tax_reporting_us_1099_misc": "have US tax form 1099-MISC filed",
    "card_issuing": "issue cards",
    "treasury": "hold money in a financial account",
}


def capability(name: str) -> str:
    """What a capability lets an account do."""
    if name in CAPABILITIES:
        return CAPABILITIES[name]
    if name.endswith("_payments"):
        return f"take payments by {name.removesuffix('_payments').replace('_', ' ')}"
    return name
