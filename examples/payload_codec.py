"""Encrypts and decrypts what an Earshot with PAYLOAD_KEYS_FILE sends through Temporal and takes from there: to copy, like
the program that uses it. docs/encryption.md has the form. Needs the package `cryptography`.
"""

import base64
import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

ENCODING = b"binary/encrypted"


class EncryptionCodec(PayloadCodec):
    def __init__(self, keys_file: str, encrypts: bool) -> None:
        """A line of the file is a key: its id and 32 bytes in base64. All decrypt; the first one encrypts."""
        with open(keys_file, encoding="utf-8") as lines:
            parts = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        self._keys = {key_id.encode(): AESGCM(base64.b64decode(secret)) for key_id, secret in parts}
        self._current = next(iter(self._keys)) if encrypts else None

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        key_id = self._current
        if key_id is None:
            return list(payloads)
        return [self._encrypt(payload, key_id) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._decrypt(payload) for payload in payloads]

    def _encrypt(self, payload: Payload, key_id: bytes) -> Payload:
        nonce = os.urandom(12)
        data = self._keys[key_id].encrypt(nonce, payload.SerializeToString(), ENCODING + b"\n" + key_id)
        return Payload(metadata={"encoding": ENCODING, "encryption-key-id": key_id}, data=nonce + data)

    def _decrypt(self, payload: Payload) -> Payload:
        """What was never encrypted stays as it is."""
        if payload.metadata.get("encoding") != ENCODING:
            return payload
        key_id = payload.metadata.get("encryption-key-id", b"")
        if key_id not in self._keys:
            raise ValueError(f"a payload is encrypted by the key {key_id!r}: there is none here")
        plain = self._keys[key_id].decrypt(payload.data[:12], payload.data[12:], ENCODING + b"\n" + key_id)
        return Payload.FromString(plain)
