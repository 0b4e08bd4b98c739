"""The OpenAPI document, by hand: what the server answers is few, and fixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.versions import neocog_version
from .served import Served

STATUSES = {
    "400": "the body or the query cannot be read",
    "401": "the token is missing or wrong",
    "403": "the host or the origin is not allowed",
    "404": "no such model",
    "408": "the body took too long to arrive",
    "413": "the body is too large, or holds too many or too long inputs",
    "415": "the type of the body is not read",
    "422": "the input cannot be decoded",
    "503": "the server is busy; Retry-After says when to try again",
    "504": "no result within the time limit",
}


def openapi(served: Sequence[Served]) -> dict[str, Any]:
    """The document for the models of a server."""
    names = [model.name for model in served]
    model = parameter(
        "model", "The model; the first by default.", {"type": "string", "enum": names, "default": names[0]}
    )
    top = parameter("top", "How many labels to list.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 5})
    method = parameter("method", "saliency, lrp, … or several with commas.", {"type": "string", "default": "saliency"})
    label = parameter("label", "The label to explain; the predicted one by default.", {"type": "string"})
    rows = {"type": "array", "items": {"type": "object", "description": "A row of neocog predict --json."}}
    maps = {"type": "array", "items": {"type": "object", "description": "A row of neocog explain --json."}}
    any_object = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Neocog", "version": neocog_version()},
        "paths": {
            "/predict": {"post": operation("Predict inputs.", rows, [model, top], with_body=True)},
            "/explain": {"post": operation("Explain predictions.", maps, [model, method, label], with_body=True)},
            "/models": {"get": operation("The models.", {"type": "array", "items": any_object})},
            "/health": {"get": operation("Whether the server answers.", any_object)},
            "/metrics": {"get": operation("Counts, in the text format of Prometheus.", None)},
            "/openapi.json": {"get": operation("This document.", any_object)},
        },
    }


def parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def operation(
    summary: str,
    result: dict[str, Any] | None,
    parameters: Sequence[dict[str, Any]] = (),
    with_body: bool = False,
) -> dict[str, Any]:
    content = {"text/plain": {}} if result is None else {"application/json": {"schema": result}}
    responses: dict[str, Any] = {"200": {"description": "done", "content": content}}
    entry: dict[str, Any] = {"summary": summary, "responses": responses}
    if parameters:
        entry["parameters"] = list(parameters)
    if with_body:
        responses |= {status: error(description) for status, description in STATUSES.items()}
        entry["requestBody"] = {"required": True, "content": body_types()}
    return entry


def body_types() -> dict[str, Any]:
    file = {"type": "object", "properties": {"name": {"type": "string"}, "base64": {"type": "string"}}}
    inputs = {"type": "array", "maxItems": 100, "items": {"anyOf": [{"type": "string"}, file]}}
    form = {
        "type": "object",
        "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
    }
    return {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": {"type": "object", "required": ["inputs"], "properties": {"inputs": inputs}}},
    }


def error(description: str) -> dict[str, Any]:
    inner = {"type": "object", "properties": {"status": {"type": "integer"}, "message": {"type": "string"}}}
    schema = {"type": "object", "properties": {"error": inner}}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
