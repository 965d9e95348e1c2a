"""No secret leaves in a log line or a message, and what is no secret stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpa.observe.redact import HIDDEN, is_secret_name, redact, redact_event, redact_secret, redact_text, redact_url

SECRETS = st.text("abcdefXYZ0123456789-_.~%/?#+", min_size=8, max_size=30)
HOSTS = st.from_regex(r"[a-z]{1,8}(:[0-9]{2,4})?", fullmatch=True)


@given(SECRETS, HOSTS, st.sampled_from(["postgresql", "qdrant", "http", "milvus+https"]))
def test_a_password_in_a_url_is_never_shown(secret: str, host: str, scheme: str) -> None:
    url = f"{scheme}://user:{secret}S3@{host}/path"
    assert secret not in redact_url(url)
    assert f"{secret}S3" not in redact_text(f"cannot reach {url} today")


@given(st.text("abcXYZ0123456789-_.", min_size=8), st.sampled_from(["api_key", "token", "password", "X-Api-Key"]))
def test_an_option_named_like_a_secret_is_never_shown(secret: str, name: str) -> None:
    shown = redact_url(f"qdrant://host:1?a=b&{name}={secret}S3&c=d")
    assert f"{secret}S3" not in shown
    assert shown == f"qdrant://host:1?a=b&{name}={HIDDEN}&c=d"


@pytest.mark.parametrize(
    "url",
    ["qdrant://host:6333", "mock:///data/dir?recall=0.99", "http://[::1]:80", "postgresql:///db?user=a@b", "plain", ""],
)
def test_a_url_without_a_secret_stays_as_it_is(url: str) -> None:
    assert redact_url(url) == url


@pytest.mark.parametrize(
    "name", ["api_key", "VPA_VECTOR_DB_API_KEY", "Authorization", "password", "passwd", "client_secret", "x-token"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: "hunter2", "n": [{name: "hunter2"}]}) == {name: HIDDEN, "n": [{name: HIDDEN}]}


@pytest.mark.parametrize("name", ["tokens_used", "key", "author", "collection", ""])
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)
    assert redact({name: "text"}) == {name: "text"}


def test_an_empty_secret_is_shown_as_empty_and_nothing_is_changed_in_place() -> None:
    event = {"api_key": "", "token": None, "deep": {"password": "hunter2"}, "n": 5, "t": ("Bearer abcdefgh",)}
    shown = redact_event(None, "", dict(event))
    assert shown == {
        "api_key": "",
        "token": None,
        "deep": {"password": HIDDEN},
        "n": 5,
        "t": [f"Bearer {HIDDEN}"],
    }
    assert event["deep"] == {"password": "hunter2"}


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("a", f"attempt a1 failed with key {HIDDEN}: abcd"),
        ("abc", "attempt a1 failed with key a: abcd"),
        ("abcd", f"attempt a1 failed with key a: {HIDDEN}"),
        ("emp", "attempt a1 failed with key a: abcd"),
        ("temp", f"at{HIDDEN}t a1 failed with key a: abcd"),
        ("", "attempt a1 failed with key a: abcd"),
    ],
)
def test_a_short_secret_is_hidden_as_a_whole_word_only(secret: str, shown: str) -> None:
    assert redact_secret("attempt a1 failed with key a: abcd", secret) == shown
