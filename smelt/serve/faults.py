"""What the server refuses, and how each of the wire formats that it speaks says so."""

from collections.abc import Mapping
from typing import Any, Literal

Namespace = Literal["tei", "openai", "oip", "own"]
"""Whose clients ask: text-embeddings-inference, OpenAI and vLLM, Open Inference Protocol, ours."""
Code = Literal[
    "bad_request", "unauthorized", "forbidden", "not_found", "method_not_allowed", "timeout", "conflict", "too_large",
    "unprocessable", "overloaded", "internal", "draining", "deadline",
]  # fmt: skip
STATUS: Mapping[Code, int] = {
    "bad_request": 400, "unauthorized": 401, "forbidden": 403, "not_found": 404, "method_not_allowed": 405, "timeout": 408, "conflict": 409,
    "too_large": 413, "unprocessable": 422, "overloaded": 429, "internal": 500, "draining": 503,
    "deadline": 504,
}  # fmt: skip
_TEI: Mapping[Code, str] = {
    "bad_request": "empty", "too_large": "validation", "unprocessable": "validation", "overloaded": "overloaded", "draining": "unhealthy",
    "internal": "backend", "deadline": "backend",
}  # fmt: skip


class Refusal(Exception):
    """A request is not answered. What it says is for the client: never the text of another exception."""

    def __init__(self, code: Code, message: str, *, parameter: str | None = None, retry_after: float | None = None) -> None:
        """Take what is wrong, with which field, and after how many seconds to come again."""
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.parameter = parameter
        self.retry_after = retry_after

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUS[self.code]

    def headers(self) -> dict[str, str]:
        """Return what goes with the answer."""
        found = {} if self.retry_after is None else {"retry-after": str(max(1, round(self.retry_after + 0.5)))}
        return found | ({"www-authenticate": "Bearer"} if self.code == "unauthorized" else {})

    def body(self, namespace: Namespace) -> dict[str, Any]:
        """Return the answer as the clients of that format know it."""
        match namespace:
            case "tei":
                return {"error": self.message, "error_type": _TEI.get(self.code, self.code)}
            case "openai":
                kind = "invalid_request_error" if self.status < 429 else "server_error"
                return {"error": {"message": self.message, "type": kind, "param": self.parameter, "code": self.code}}
            case "oip":
                return {"error": self.message}
            case "own":  # RFC 9457
                found = {"type": "about:blank", "title": self.code.replace("_", " "), "status": self.status, "detail": self.message}
                return found | ({"parameter": self.parameter} if self.parameter else {})
