"""Bodies of requests as inputs: a file, several of a form, or JSON. Nothing is decoded here."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from ..core.inputs import BytesInput, Input, LineInputs, TextInput
from ..core.model import Model
from ..core.problem import shortened
from .problems import Refused

MAX_INPUTS = 100  # of a request
RAW = ("image/", "audio/", "text/")  # types of a body that is one file
RAW_TYPES = ("", "application/octet-stream", "application/ogg", "application/x-go-sgf")
ACCEPTED = (
    "send the file itself (Content-Type image/…, audio/…, text/plain or application/octet-stream), several files as "
    "multipart/form-data, or application/json"
)


@dataclass(frozen=True)
class Upload(BytesInput):
    """The content of a file that a client sent, and the name it gave."""

    filename: str = field(default="-", kw_only=True)

    @property
    def name(self) -> str:
        return self.filename


async def read_body(request: Request, limit: int, deadline: float) -> bytes:
    """The whole body. Raises Refused for one that is too large, before it is read where it says so, or too slow."""
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > limit:
        raise too_large(limit)
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body is compressed; send it as it is")
    parts, size = [], 0
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large(limit)
                parts.append(part)
    except TimeoutError:
        raise Refused(408, "the body took too long to arrive; send it faster", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Refused(400, "the connection was closed before the body had arrived") from None
    return b"".join(parts)


def too_large(limit: int) -> Refused:
    message = f"the body is larger than {limit / 1e6:g} MB; send a smaller file, or fewer"
    return Refused(413, message, {"Connection": "close"})


async def inputs_of(request: Request, body: bytes, model: Model) -> list[Input]:
    """The inputs in a body. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        inputs = json_inputs(body, model)
    elif kind == "multipart/form-data":
        inputs = await form_inputs(request, body, model)
    elif kind.startswith(RAW) or kind in RAW_TYPES:
        inputs = [Upload(body)] if body else []
    else:
        raise Refused(415, f"{shortened(kind)} is not a type of body that is read; {ACCEPTED}")
    if not inputs:
        raise Refused(400, f"the request has no input; {ACCEPTED}")
    if len(inputs) > MAX_INPUTS:
        raise Refused(413, f"the request has {len(inputs):,} inputs; send at most {MAX_INPUTS}")
    return inputs


# --- JSON ------------------------------------------------------------------------------------------------------------

EXPECTED = 'expected {"inputs": [...]} of texts or {"name": "cat.jpg", "base64": "..."}'


def json_inputs(body: bytes, model: Model) -> list[Input]:
    try:
        values = json.loads(body)
    except RecursionError:
        raise Refused(400, f"the JSON is nested too deeply; {EXPECTED}") from None
    except ValueError:  # also of a number of too many digits, or of bytes that are not UTF-8
        raise Refused(400, f"the body is not JSON; {EXPECTED}") from None
    entries = values.get("inputs") if isinstance(values, dict) else None
    if not isinstance(entries, list):
        raise Refused(400, f"the JSON has no list of inputs; {EXPECTED}")
    return [json_input(entry, model) for entry in entries]


def json_input(entry: Any, model: Model) -> Input:
    if isinstance(entry, str):
        return text_input(entry, model)
    content = entry.get("base64") if isinstance(entry, dict) else None
    if not isinstance(content, str):
        raise Refused(400, f"an input is neither a text nor a file; {EXPECTED}")
    try:
        return Upload(base64.b64decode(content, validate=True), filename=title_of(entry.get("name")))
    except (binascii.Error, ValueError):
        raise Refused(400, "the base64 of an input cannot be decoded; send it in the standard alphabet") from None


def text_input(text: str, model: Model) -> Input:
    if model.domain.capability(LineInputs) is None:
        raise Refused(400, f"the model is of {model.domain.name}, which takes no texts; {EXPECTED}")
    return TextInput(text.encode("utf-8", "replace").decode())  # JSON may hold halves of characters


def title_of(name: Any) -> str:
    return name[:200].encode("utf-8", "replace").decode() if isinstance(name, str) and name else "-"


# --- forms -----------------------------------------------------------------------------------------------------------


async def form_inputs(request: Request, body: bytes, model: Model) -> list[Input]:
    """The files of a form, and its fields named `text`."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        parsed = Request(request.scope, receive).form(
            max_files=MAX_INPUTS, max_fields=MAX_INPUTS, max_part_size=len(body) + 1
        )
        async with parsed as form:
            return [await form_input(name, value, model) for name, value in form.multi_items()]
    except (HTTPException, MultiPartException) as error:
        detail = getattr(error, "detail", None) or getattr(error, "message", "")
        status = 413 if "Too many" in str(detail) else 400
        raise Refused(status, f"the form cannot be read: {shortened(str(detail), 200)}") from None
    except (ValueError, KeyError, LookupError) as error:
        raise Refused(400, "the form cannot be read: it is not multipart/form-data") from error


async def form_input(name: str, value: UploadFile | str, model: Model) -> Input:
    if isinstance(value, UploadFile):
        return Upload(await value.read(), filename=title_of(value.filename))
    if name != "text":
        raise Refused(400, f"the form has a field {shortened(name)!r}; expected files, or fields named text")
    return text_input(value, model)
