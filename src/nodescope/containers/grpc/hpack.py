"""HPACK, the header compression of HTTP/2: read whole, written without compression.

Source: RFC 7541. What is kept between header blocks is bounded by the 4,096 bytes of its section 4.2, of which this
side never asks more.
"""

from __future__ import annotations

from typing import Final

from nodescope.containers.grpc.wire import encode_varint
from nodescope.kernel.file import Malformed

TABLE_BYTES: Final = 4096
ENTRY_OVERHEAD_BYTES: Final = 32
MAX_LIST_BYTES: Final = 64 * 1024
"""Of the decoded headers of a block: one indexed field is one byte on the wire and can stand for 4,096."""
MAX_INTEGER: Final = 1 << 24

Header = tuple[bytes, bytes]

# Appendix A: names only for what nodescope has no use for by value; those with a value say it after "=".
_STATIC_NAMES: Final = (
    b":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 :status=204 "
    b":status=206 :status=304 :status=400 :status=404 :status=500 accept-charset accept-encoding=gzip,deflate "
    b"accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control "
    b"content-disposition content-encoding content-language content-length content-location content-range content-type "
    b"cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since "
    b"last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh "
    b"retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)
STATIC: Final[tuple[Header, ...]] = tuple(
    (name, value.replace(b",", b", ")) for name, _, value in (word.partition(b"=") for word in _STATIC_NAMES.split())
)

# Appendix B: how many bits the code of each byte has, and last that of the end. The code is canonical: the codes of one
# length follow each other in the order of their bytes, so the lengths say all.
_CODE_BITS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b0806060605050506060606"
    "06060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e060f05060506050606060507070606"
    "060506070605050607070707070f0b0e0d1c14161414161616171617171717171817181816171817171717151617161717181615141616"
    "1717151716161815161717151516151716171714161616171616171a1a1413161716191a1a1a1b1b1a181913151a1b1b1a1b1815151a1a"
    "1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
END_OF_STRING: Final = 256


def _codes() -> dict[tuple[int, int], int]:
    """(bits, code) -> byte."""
    codes: dict[tuple[int, int], int] = {}
    code, before = 0, 0
    for bits, symbol in sorted((bits, symbol) for symbol, bits in enumerate(_CODE_BITS)):
        code <<= bits - before
        codes[bits, code] = symbol
        code, before = code + 1, bits
    return codes


_CODES: Final = _codes()
_LONGEST_BITS: Final = max(_CODE_BITS)


def huffman(data: bytes, source: str) -> bytes:
    """The bytes that `data` stands for (RFC 7541, 5.2): padded with ones to a whole byte."""
    out = bytearray()
    code = bits = 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, bits = code << 1 | byte >> shift & 1, bits + 1
            symbol = _CODES.get((bits, code))
            if symbol is not None:
                if symbol == END_OF_STRING:
                    raise Malformed(source, data, "a Huffman string without the code of its end")
                out.append(symbol)
                code = bits = 0
            elif bits >= _LONGEST_BITS:
                raise Malformed(source, data, "a Huffman code")
    if bits > 7 or code != (1 << bits) - 1:
        raise Malformed(source, data, "a Huffman string that is padded with ones")
    return bytes(out)


def integer(data: bytes, at: int, prefix_bits: int, source: str) -> tuple[int, int]:
    """A number whose first byte has `prefix_bits` bits of it (RFC 7541, 5.1), and where the next byte is."""
    limit = (1 << prefix_bits) - 1
    value = data[at] & limit
    at += 1
    if value < limit:
        return value, at
    shift = 0
    while at < len(data) and value <= MAX_INTEGER and shift <= 28:
        byte = data[at]
        at += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
    raise Malformed(source, data, f"a number of at most {MAX_INTEGER}")


def string(data: bytes, at: int, source: str) -> tuple[bytes, int]:
    """A string literal (RFC 7541, 5.2), and where the next byte is."""
    if at >= len(data):
        raise Malformed(source, data, "a string")
    coded = data[at] & 0x80
    size, at = integer(data, at, 7, source)
    if size > len(data) - at:
        raise Malformed(source, data, f"a string of {size} bytes")
    raw = data[at : at + size]
    return (huffman(raw, source) if coded else raw), at + size


class Decoder:
    """Reads the header blocks of one connection, in order; every one, for each may change the table."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._table: list[Header] = []
        self._capacity = TABLE_BYTES
        self._size = 0

    def decode(self, block: bytes) -> list[Header]:
        """The headers of a block. Raises `Malformed`; the connection is of no use then."""
        headers: list[Header] = []
        at = size = 0
        while at < len(block):
            byte = block[at]
            if byte & 0xE0 == 0x20:
                self._capacity, at = integer(block, at, 5, self._source)
                if self._capacity > TABLE_BYTES:
                    raise Malformed(self._source, block, f"a header table of at most {TABLE_BYTES} bytes")
                self._evict()
                continue
            header, at = self._field(block, at)
            size += len(header[0]) + len(header[1]) + ENTRY_OVERHEAD_BYTES
            if size > MAX_LIST_BYTES:
                raise Malformed(self._source, block, f"headers of at most {MAX_LIST_BYTES} bytes")
            headers.append(header)
        return headers

    def _field(self, block: bytes, at: int) -> tuple[Header, int]:
        byte = block[at]
        if byte & 0x80:
            index, at = integer(block, at, 7, self._source)
            return self._entry(index, block), at
        kept = byte & 0x40
        index, at = integer(block, at, 6 if kept else 4, self._source)
        if index:
            name = self._entry(index, block)[0]
        else:
            name, at = string(block, at, self._source)
        value, at = string(block, at, self._source)
        if kept:
            self._table.insert(0, (name, value))
            self._size += len(name) + len(value) + ENTRY_OVERHEAD_BYTES
            self._evict()
        return (name, value), at

    def _entry(self, index: int, block: bytes) -> Header:
        if 1 <= index <= len(STATIC):
            return STATIC[index - 1]
        if len(STATIC) < index <= len(STATIC) + len(self._table):
            return self._table[index - len(STATIC) - 1]
        raise Malformed(self._source, block, f"an index of a header that is in the table, not {index}")

    def _evict(self) -> None:
        while self._size > self._capacity:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + ENTRY_OVERHEAD_BYTES


def encode(headers: list[Header]) -> bytes:
    """A block of literals that are kept nowhere (RFC 7541, 6.2.2): nothing to agree on."""
    return b"".join(b"\0" + _literal(name) + _literal(value) for name, value in headers)


def _literal(data: bytes) -> bytes:
    # Without Huffman's code the first bit is 0; the length is a number with a prefix of 7 bits.
    size = bytes([len(data)]) if len(data) < 0x7F else b"\x7f" + encode_varint(len(data) - 0x7F)
    return size + data
