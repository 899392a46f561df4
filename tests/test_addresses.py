"""What lets somebody in is neither printed nor kept, and what does not stays legible."""

import pytest

from pixel_edu.addresses import hide_passwords, without_password


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://u:geheim@host:5000", "http://***@host:5000"),
        ("https://geheim@host", "https://***@host"),
        ("http://u:ge'heim@host/x", "http://***@host/x"),
        ("postgresql+psycopg2://u:ge@heim@host/db", "postgresql+psycopg2://***@host/db"),
        ("http://u:ge/he?i#m@host/x", "http://***@host/x"),
        ("http://u:12/34@host", "http://***@host"),
        ("http://u:12?34@host:5000/x", "http://***@host:5000/x"),
        ("http://u:12#3/4@host", "http://***@host"),
        ("http://u:1/2@3@host/x", "http://***@host/x"),
        ("train --mlflow=http://u:geheim@h, again", "train --mlflow=http://***@h, again"),
        ("('https://u:geheim@h/a', 1)", "('https://***@h/a', 1)"),
        ("http://h/x?access_token=geheim&n=1", "http://h/x?access_token=***&n=1"),
        ("http://h/x?n=1&sig=geheim", "http://h/x?n=1&sig=***"),
        ("http://h/x?api-key=geheim", "http://h/x?api-key=***"),
    ],
)
def test_a_secret_is_hidden(text, hidden):
    assert hide_passwords(text) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "http://host:5000",
        "http://host:5000/@user/x",
        "http://host:5000/x/@user",
        "http://host:5000/?user=ada@home&n=1",
        "https://host/a@b",
        "sqlite:////home/ada@home/x.db",
        "mail ada@host: no secret=1",
        "http://h/x?keyboard=de",
        r"C:\sprites\a@b",
    ],
)
def test_what_is_not_a_secret_stays(text):
    assert hide_passwords(text) == text
    assert without_password(text) == text


def test_an_address_that_is_kept_still_leads_there():
    assert without_password("http://u:geheim@host:5000/a") == "http://host:5000/a"
    assert without_password("postgresql://u:geheim@host/db") == "postgresql://u@host/db"
    assert without_password("postgresql://h/db?user=u&password=geheim") == "postgresql://h/db?user=u"
    assert without_password("postgresql://h/db?password=geheim&user=u") == "postgresql://h/db?user=u"
    assert without_password("http://u:geheim@h/a?token=geheim") == "http://h/a"
    assert without_password("http://u:ge?heim@h/a?n=1") == "http://h/a?n=1"
    assert without_password("postgresql://u:12/34@h/db") == "postgresql://u@h/db"
