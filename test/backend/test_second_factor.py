"""A login of two steps."""

import base64
import hashlib
import hmac
import struct
import time

from admin import value
from client import credentials, get, new_user, post


def totp(secret, steps=0):
    """RFC 6238, as an authenticator application does it."""
    counter = struct.pack(">Q", int(time.time() / 30) + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def test_second_factor():
    user = new_user("factor@example.com")["user_id"]
    secret = value("auth", "SELECT secret FROM auth.enroll_totp($1)", user)
    confirmed = value("auth", "SELECT auth.confirm_totp($1, $2)", user, totp(secret))
    assert confirmed == "ok"
    first = post("/auth/login", credentials("factor@example.com"))
    assert (first.status_code, first.json()["detail"]) == (401, "mfa_required")
    challenge = first.json()["challenge"]
    wrong = post("/auth/login/totp", {"challenge": challenge, "code": "x"})
    assert (wrong.status_code, wrong.json()["detail"]) == (401, "invalid_credentials")
    # a code counts once, so that of the next half minute
    second = post("/auth/login/totp", {"challenge": challenge, "code": totp(secret, 1)})
    assert second.status_code == 200
    assert get("/me", second.json()).json()["user_id"] == user
