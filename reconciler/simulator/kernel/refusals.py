"""Every no that Stripe says, with its wording.

A `Refusal` is raised before anything has changed, except for a declined card, where the failed
attempt is itself recorded. Its kind decides the HTTP status, here and nowhere else. `began` tells
the idempotency layer whether the work had begun: what failed validation is not remembered.
"""

from typing import Any

_STATUS = {
    "invalid_request": 400,
    "idempotency": 400,
    "authentication": 401,
    "card": 402,
    "permission": 403,
    "missing": 404,
    "conflict": 409,
    "too_large": 413,
    "rate_limit": 429,
    "api": 500,
}
_DEFAULT_TYPE = "invalid_request_error"
_TYPE = {"card": "card_error", "idempotency": "idempotency_error", "api": "api_error"}


class Refusal(Exception):
    def __init__(
        self, kind: str, message: str, *, code: str | None = None, began: bool = True, **more: Any
    ) -> None:
        super().__init__(message)
        self.status = _STATUS[kind]
        self.began = began
        self.error: dict[str, Any] = {"message": message, "type": _TYPE.get(kind, _DEFAULT_TYPE)}
        if code:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        self.error.update(more)

    def body(self, account: str, request_id: str) -> dict[str, Any]:
        log = f"https://dashboard.stripe.com/{account}/test/workbench/logs?object={request_id}"
        return {"error": {**self.error, "request_log_url": log}}


# What fails validation: the work never began.


def missing_parameter(name: str) -> Refusal:
    message = f"Missing required param: {name}."
    return _invalid(message, "parameter_missing", name)


def unknown_parameter(name: str) -> Refusal:
    if name == "payment_method_types":
        message = (
            "`payment_method_types` is no longer supported on this endpoint. Use "
            "`allowed_payment_method_types` instead."
        )
        return _invalid(message, "payment_method_types_no_longer_supported", name)
    return _invalid(f"Received unknown parameter: {name}", "parameter_unknown", name)


def not_an_integer(name: str, value: object) -> Refusal:
    return _invalid(f"Invalid integer: {value}", "parameter_invalid_integer", name)


def empty_parameter(name: str) -> Refusal:
    message = (
        f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset "
        f"a parameter; however '{name}' cannot be unset. You should remove '{name}' from your "
        "request or supply a non-empty value."
    )
    return _invalid(message, "parameter_invalid_empty", name)


def not_one_of(name: str, choices: tuple[str, ...]) -> Refusal:
    """No choices at all means that a text was given where only a mapping, or nothing, can be."""
    if not choices:
        return not_an_object(name)
    listed = choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])}, or {choices[-1]}"
    return _invalid(f"Invalid {name}: must be one of {listed}", None, name)


def not_a_boolean(name: str, value: object) -> Refusal:
    return _invalid(f"Invalid boolean: {value}", None, name)


def not_a_decimal(name: str, value: object) -> Refusal:
    return _invalid(f"Invalid decimal: {value}", None, name)


def not_a_string(name: str, value: object) -> Refusal:
    return _invalid(f"Invalid string: {value}", None, name)


def not_an_object(name: str) -> Refusal:
    return _invalid("Invalid object", None, name)


def not_an_array(name: str) -> Refusal:
    return _invalid("Invalid array", None, name)


def too_long(name: str, longest: int, length: int) -> Refusal:
    message = f"Invalid string: the value must be at most {longest} characters, not {length}."
    return _invalid(message, "parameter_invalid_string", name)


def malformed(name: str, why: str) -> Refusal:
    return _invalid(why, None, name)


def too_small(name: str, least: int) -> Refusal:
    message = f"This value must be greater than or equal to {least}."
    return _invalid(message, "parameter_invalid_integer", name)


def unreadable(why: str) -> Refusal:
    """The request as a whole cannot be made sense of."""
    return Refusal("invalid_request", why, began=False)


def not_expandable(path: str) -> Refusal:
    return _invalid(f"This property cannot be expanded ({path}).", None, "expand")


def too_deep(path: str) -> Refusal:
    return _invalid(f"You cannot expand more than 4 levels of a property ({path}).", None, "expand")


def _invalid(message: str, code: str | None, param: str) -> Refusal:
    return Refusal("invalid_request", message, code=code, began=False, param=param)


# What the business refuses.


def refused(message: str, code: str | None = None, param: str | None = None) -> Refusal:
    more: dict[str, Any] = {"param": param} if param else {}
    return Refusal("invalid_request", message, code=code, **more)


def no_such(noun: str, object_id: str, param: str = "id") -> Refusal:
    """404 for the object in the path, 400 for one named in a parameter."""
    kind = "missing" if param == "id" else "invalid_request"
    message = f"No such {noun}: '{object_id}'"
    return Refusal(kind, message, code="resource_missing", param=param)


def not_found(noun: str, object_id: str, param: str) -> Refusal:
    """404 for an object in the path that Stripe names otherwise than `id`."""
    message = f"No such {noun}: '{object_id}'"
    return Refusal("missing", message, code="resource_missing", param=param)


def insufficient_funds() -> Refusal:
    return refused(
        "You have insufficient available funds in your Stripe account. Try adding funds directly "
        "to your available balance by creating Charges using the 4000000000000077 test card. "
        "See: https://stripe.com/docs/testing#available-balance",
        "balance_insufficient",
    )


# What stops at the door.


_HELP = "or we can help at https://support.stripe.com/."


def no_key() -> Refusal:
    message = (
        "You did not provide an API key. You need to provide your API key in the Authorization "
        "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See "
        f"https://stripe.com/docs/api#authentication for details, {_HELP}"
    )
    return Refusal("authentication", message, began=False)


def bad_key(masked: str) -> Refusal:
    return Refusal("authentication", f"Invalid API Key provided: {masked}", began=False)


def expired_key(masked: str) -> Refusal:
    message = f"Expired API Key provided: {masked}"
    return Refusal("authentication", message, code="api_key_expired", began=False)


def publishable_key() -> Refusal:
    message = (
        "This API call cannot be made with a publishable API key. Please use a secret API key. You "
        "can find a list of your API keys at https://dashboard.stripe.com/account/apikeys."
    )
    return Refusal("authentication", message, code="secret_key_required", began=False)


def no_permission(masked: str, account: str, permission: str) -> Refusal:
    message = (
        f"The provided key '{masked}' does not have the required permissions for this endpoint on "
        f"account '{account}'. Having the '{permission}' permission would allow this request to "
        "continue."
    )
    return Refusal("permission", message, began=False)


def no_access(account: str) -> Refusal:
    message = (
        f"The provided key does not have access to account '{account}' (or that account does not "
        "exist). Application access may have been revoked."
    )
    return Refusal("permission", message, code="account_invalid", began=False)


def no_version(version: str) -> Refusal:
    return Refusal("invalid_request", f"Invalid Stripe API version: {version}", began=False)


def no_route(method: str, path: str) -> Refusal:
    hint = (
        "If you are trying to list objects, remove the trailing slash. If you are trying to "
        "retrieve an object, make sure you passed a valid (non-empty) identifier in your code. "
        if path.endswith("/") and len(path) > 1
        else ""
    )
    message = (
        f"Unrecognized request URL ({method}: {path}). {hint}Please see https://stripe.com/docs "
        f"{_HELP}"
    )
    return Refusal("missing", message, began=False)


def too_fast() -> Refusal:
    message = (
        "Testmode request rate limit exceeded, the rate limits in testmode are lower than livemode."
        " You can learn more about rate limits here https://stripe.com/docs/rate-limits."
    )
    return Refusal("rate_limit", message, code="rate_limit", began=False)


def locked(kind: str) -> Refusal:
    """`kind` is rate_limit (429, as Stripe does today) or conflict (409, as it once did)."""
    message = (
        "This object cannot be accessed right now because another API request or Stripe process is "
        "currently accessing it. If you see this error intermittently, retry the request. If you "
        "see this error frequently and are making multiple concurrent requests to a single object, "
        "make your requests serially or at a lower rate. For more details, see "
        "https://stripe.com/docs/rate-limits#object-lock-timeouts."
    )
    return Refusal(kind, message, code="lock_timeout", began=False)


def key_reused(key: str) -> Refusal:
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute a different "
        "request."
    )
    return Refusal("idempotency", message, began=False)


def key_used_elsewhere(key: str, first: str, now: str) -> Refusal:
    message = (
        "Keys for idempotent requests can only be used for the same endpoint they were first used "
        f"for ('{first}' vs '{now}'). Try using a key other than '{key}' if you meant to execute a "
        "different request."
    )
    return Refusal("idempotency", message, began=False)


def key_too_long() -> Refusal:
    return Refusal(
        "invalid_request", "Idempotency keys can be at most 255 characters long.", began=False
    )


def key_in_use(key: str) -> Refusal:
    message = (
        "There is currently another in-progress request using this Idempotent Key (that probably "
        "means you submitted twice, and the other request is still going through): "
        f"{key}. Please try again later."
    )
    return Refusal("conflict", message, code="idempotency_key_in_use", began=False)
