"""What is published in tests: bodies that are easy to get wrong somewhere on the way."""

import hashlib
import json
from typing import NamedTuple

TEXT_TYPE = "text/plain; charset=utf-8"
BYTES_TYPE = "application/octet-stream"
JSON_TYPE = "application/json"


class Payload(NamedTuple):
    """A body and how it is published. `kind` is text, json or binary."""
    name: str
    kind: str
    body: bytes

    @property
    def content_type(self):
        """For the POST."""
        return {"text": TEXT_TYPE, "json": JSON_TYPE, "binary": BYTES_TYPE}[self.kind]


def text(name, body):
    """A text."""
    return Payload(name, "text", body.encode())


def value(name, body):
    """A JSON value, as it is written."""
    return Payload(name, "json", body.encode())


def octets(name, body):
    """Bytes."""
    return Payload(name, "binary", body)


PAYLOADS = [
    text("a short text", "hello"),
    text("an empty text", ""),
    octets("empty binary", b""),
    octets("every byte value", bytes(range(256))),
    octets("binary that is text", b"plain\r\ntext"),
    value("JSON", '{"n":1,"word":"a\u00f1o"}'),
    value("JSON on several lines", '{\n  "list": [1,\n 2],\r\n\t"text": "a\\nb \\u0000 \\ud83d\\udce2"\n}\n'),
    value("JSON that is a number", "-1.50E+300"),
    value("JSON with a number beyond 64 bits", "[123456789012345678901234567890, 1.10, 1e5, -0]"),
    value("JSON that is an empty text", '""'),
    value("JSON with a key twice", '{"a":1,"a":2,"offset":9,"text":"x"}'),
    text("text on several lines", "one\ntwo\n\nfour"),
    text("text that is a line feed", "\n"),
    text("text that ends with a line feed", "one\n"),
    text("text with a carriage return", "one\rtwo"),
    text("text with both line ends", "one\r\ntwo\r\n"),
    text("text that looks like an event", "x\n\nid: zz:9\nevent: close\ndata: {}\nretry: 1\n:\n"),
    text("text with a blank and a colon first", " : blank\n: colon\n  two"),
    text("unicode", "\u00a1Atenci\u00f3n! \U0001f4e2 e\u0301 \u0928\u093f \ud55c\uae00 \u2028\u2029\u0085\ufeff\uffff \U0010ffff"),
    text("a byte order mark first", "\ufeffmark"),
    text("control characters", "".join(map(chr, range(32))).replace("\r", "") + "\x7f"),
    text("NUL", "a\0b"),
    text("quotes and backslashes", "\"\\\\ \\u0041 </script> '"),
    text("70 KiB of text", "0123456789\u00e9\u20ac\U0001f4e2" * 3773),
    text("70 KiB of lines", "line\n" * (70 * 1024 // 5)),
    octets("70 KiB of binary", hashlib.shake_256(b"altavoz").digest(70 * 1024)),
    value("70 KiB of JSON", json.dumps(["x" * 100] * 700)),
]


def numbered(number):
    """A short text of its own."""
    return text(f"number {number}", f"number {number}")
