"""JSON to protobuf messages and back, by the JSON mapping of protobuf, compiled per message descriptor.

Whatever `google.protobuf.json_format` reads or writes is read or written the same. This goes for what it accepts beyond
the mapping (numbers in quotes for every number, `1_000`, true for a double, fractions for enums, missing or too much
padding of base64, times with any offset) and for what it refuses though the mapping allows it (null for a list of
`google.protobuf.Value`). Differences, all on purpose:

- What stands for a message must be an object: json_format takes `""` and `[]` for empty ones.
- Bytes are base64 and nothing else: json_format skips characters that are not of the alphabet.
- Texts that are not RFC 8259 (NaN, Infinity, lone surrogates, numbers beyond the range of a double) are refused
  everywhere; json_format takes some of them within `google.protobuf.Value` and within unknown fields.
- Nesting counts every message and every entry of a map of messages, also within Struct and Value, up to 100.
  json_format reads deeper Structs, which no protobuf decoder reads from the wire afterwards.
- Beside `value` of a packed well-known type there may be no unknown fields.
- A number beyond 32 bits is no value of an enum: json_format takes some for what is left of them in 32 bits.
- -9223372036854775808 with a fraction or exponent is no int64, because slightly smaller integers look the same.
- A field that happens to be called as a oneof of the message is not taken for a member of it.
"""

from __future__ import annotations

from transcoding.codec.codec import Codec
from transcoding.codec.errors import Unprintable
from transcoding.codec.options import CodecOptions, JsonValue, Report

__all__ = ["Codec", "CodecOptions", "JsonValue", "Report", "Unprintable"]
