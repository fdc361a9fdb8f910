"""Names that tell: any value under one of them is masked, whatever it looks like.

A name is split into words (`db_password`, `x-api-key`, `clientSecret`, `AWSSecretAccessKey`).
Its last word decides, and for `key` and `token` the word before it too. Under a weak name (`token`,
`auth`) a value is masked only where it looks random, because models and parsers use these names
for plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple


class NameRule(NamedTuple):
    """The last word of a name, the words that may stand before it, and samples of telling names."""

    word: str
    after: frozenset[str] | None
    """One of these words must stand before. None: any name that ends in the word is telling."""
    not_after: frozenset[str]
    """Words that make the name an ordinary one."""
    samples: tuple[str, ...]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FLAGS: Final = _words(
    "is has have had use uses using show hide no with without need needs require "
    "requires allow allows enable check"
)
"""A name that starts with one of these is a switch, not a secret."""

_KEY_OWNERS: Final = _words(
    "api access secret private signing sign encryption encrypt decryption cipher "
    "master auth account storage shared "
    "subscription license service admin app application consumer deploy webhook ssh "
    "rsa dsa ecdsa gpg pgp jwt hmac aes fernet "
    "root ingest ingestion integration client host tls ssl bot crypto function "
    "aws azure openai anthropic google gemini cohere mistral groq stripe github "
    "gitlab datadog langsmith langfuse pinecone "
    "huggingface hf serpapi tavily sendgrid mailgun twilio slack"
)
_ORDINARY_TOKENS: Final = _words(
    "max min num number count total per stop eos bos pad unk sep cls mask start end "
    "first last next prev previous new special "
    "image audio video text input output prompt completion reasoning cached page "
    "continuation continue cancellation "
    "cancel pagination out in by a the each one this word sub single current null "
    "empty on to of lookahead "
    "begin fim prefix suffix middle added extra think thinking tool system user "
    "assistant header role pipe whitespace "
    "idempotency request synchronization sync resume paging marker cursor"
)
_STRONG_TOKENS: Final = _words(
    "access refresh auth api bearer secret session security id deploy service"
)
_ANY: Final[frozenset[str]] = frozenset()

TELLING_NAMES: Final[tuple[NameRule, ...]] = (
    NameRule(
        "password",
        None,
        _ANY,
        ("password", "db_password", "userPassword", "DB_PASSWORD", "dbpassword", "password2"),
    ),
    NameRule("passwords", None, _ANY, ("passwords",)),
    NameRule("passwd", None, _ANY, ("passwd", "root_passwd")),
    NameRule("passphrase", None, _ANY, ("passphrase", "ssh-passphrase")),
    NameRule("passcode", None, _ANY, ("passcode",)),
    NameRule("pwd", None, _ANY, ("pwd", "MYSQL_PWD", "userPwd")),
    NameRule("pswd", None, _ANY, ("pswd",)),
    NameRule(
        "pass",
        _words(
            "db user smtp mysql postgres redis mail email admin root ftp sftp ssh "
            "proxy auth login http ldap"
        ),
        _ANY,
        ("db_pass", "smtpPass"),
    ),
    NameRule(
        "secret",
        None,
        _ANY,
        ("secret", "client_secret", "clientSecret", "JWT_SECRET", "clientsecret"),
    ),
    NameRule("secrets", None, _ANY, ("secrets", "app_secrets")),
    NameRule("credential", None, _ANY, ("credential",)),
    NameRule("credentials", None, _ANY, ("credentials", "aws_credentials")),
    NameRule("creds", None, _ANY, ("creds", "dbCreds")),
    NameRule("authorization", None, _ANY, ("authorization", "Proxy-Authorization")),
    NameRule("cookie", None, _ANY, ("cookie", "Set-Cookie", "sessionCookie")),
    NameRule("cookies", None, _ANY, ("cookies",)),
    NameRule("apikey", None, _ANY, ("apikey", "openaiapikey", "x-apikey")),
    NameRule("secretkey", None, _ANY, ("secretkey",)),
    NameRule("accesskey", None, _ANY, ("accesskey",)),
    NameRule("privatekey", None, _ANY, ("privatekey",)),
    NameRule("accesstoken", None, _ANY, ("accesstoken",)),
    NameRule("authtoken", None, _ANY, ("authtoken", "_authToken")),
    NameRule("refreshtoken", None, _ANY, ("refreshtoken",)),
    NameRule("apitoken", None, _ANY, ("apitoken",)),
    NameRule("jwt", None, _ANY, ("jwt", "user_jwt")),
    NameRule(
        "pat", _words("github gitlab azure devops databricks ado snowflake"), _ANY, ("github_pat",)
    ),
    NameRule(
        "string", _words("connection conn"), _ANY, ("connection_string", "AzureConnectionString")
    ),
    NameRule(
        "key",
        _KEY_OWNERS,
        _words("public"),
        (
            "api_key",
            "x-api-key",
            "openAIApiKey",
            "AWSSecretAccessKey",
            "private_key",
            "Ocp-Apim-Subscription-Key",
            "stripe_key",
            "access_key_id",
            "private_key_id",
            "client_key_data",
            "api_key_1",
            "API_KEY_VALUE",
        ),
    ),
    NameRule("keys", _words("api access secret private"), _words("public"), ("api_keys",)),
    NameRule(
        "token",
        None,
        _ORDINARY_TOKENS,
        (
            "hf_token",
            "auth_token",
            "X-Auth-Token",
            "botToken",
            "aws_session_token",
            "id_token",
            "GITHUB_TOKEN",
            "X-Amz-Security-Token",
        ),
    ),
    NameRule(
        "tokens",
        _STRONG_TOKENS,
        _words("input output max total"),
        ("access_tokens", "refresh_tokens"),
    ),
)

WEAK_NAMES: Final = _words("token auth pass bearer pin otp sid")
"""Names under which only a value that looks random is masked: see `RANDOM_VALUE`."""

RANDOM_VALUE: Final = re.compile(
    r"(?=[A-Za-z._~+/=:-]{0,200}[0-9])(?=[0-9._~+/=:-]{0,200}[A-Za-z])[A-Za-z0-9._~+/=:-]{16,4096}"
)
"""Text that looks random: at least 16 characters, a letter and a digit among them (`fullmatch`)."""

_RULES: Final = {rule.word: rule for rule in TELLING_NAMES}
_NOT_JOINED: Final = _words("string tokens cookie cookies secret secrets")
_JOINED: Final = (
    *(word for word in _RULES if len(word) > 5 and word not in _NOT_JOINED),
    *("clientsecret", "apisecret", "appsecret", "githubtoken", "hftoken", "dbpass"),
)
"""Words that also end a name without any separator: `dbpassword`."""
_SPLIT: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_TRAILING: Final = _words("value data plain plaintext raw base64 b64 header old new current")
_LONGEST_NAME: Final = 64


def is_telling_name(name: str) -> bool:
    """Return True if any value under this name is a secret.

    Args:
        name: A dictionary key, header, variable or query parameter. Its last 64 characters count.
    """
    return _is_telling(name[-_LONGEST_NAME:])


def is_weak_name(name: str) -> bool:
    """Return True if a value under this name is a secret only where it looks random."""
    return len(name) <= _LONGEST_NAME and name.lower() in WEAK_NAMES


def named_item(value: dict[str, Any]) -> tuple[str, str] | None:
    """Return the key of a value that another item of a dictionary names, and that name.

    Environment variables of containers and headers stand so: `{"name": "API_KEY", "value": "…"}`.
    """
    if len(value) > _MOST_ITEMS:
        return None
    keys = {key.lower(): key for key in value}
    of_value = next((keys[word] for word in ("value", "values", "val") if word in keys), None)
    of_name = next((keys[word] for word in ("name", "key", "header") if word in keys), None)
    if of_value is None or of_name is None or not isinstance(value[of_name], str):
        return None
    return of_value, value[of_name]


def is_telling_pair(value: list[Any]) -> bool:
    """Return True for a telling name and a value that looks random: a header as servers list it."""
    if len(value) != 2 or not all(isinstance(item, str) for item in value):
        return False
    name, text = value
    return (is_telling_name(name) or is_weak_name(name)) and bool(RANDOM_VALUE.fullmatch(text))


_MOST_ITEMS: Final = 8
"""Items of a dictionary that holds one name and its value."""

_STEMS: Final = re.compile(
    "pass|pwd|pswd|secret|cred|authori|cookie|key|token|jwt|pat|string", re.IGNORECASE
)


@lru_cache(maxsize=2_048)
def _is_telling(name: str) -> bool:
    if not _STEMS.search(name):
        return False
    words: list[str] = [word.lower() for word in _SPLIT.findall(name)]
    while len(words) > 1 and (
        words[-1].isdigit() or words[-1] in _TRAILING or words[-2:] == ["key", "id"]
    ):
        words.pop()
    if not words or (len(words) > 1 and words[0] in _FLAGS):
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    rule = _RULES.get(last)
    if rule is None:
        return last.endswith(_JOINED)
    if last == "token" and not before:
        return False
    return before not in rule.not_after and (rule.after is None or before in rule.after)


class NamedValue(NamedTuple):
    """Where the value of a telling name stands in a text."""

    start: int
    end: int


_ENDINGS: Final = (
    r"(?:[Kk]eys?|KEYS?|[Tt]okens?|TOKENS?|[Pp]ass(?:words?|wd|phrase|code)?|PASS"
    r"(?:WORDS?|WD|PHRASE|CODE)?|[Pp]s?wd|PS?WD|"
    r"[Ss]ecrets?|SECRETS?|[Cc]red(?:ential)?s?|CRED(?:ENTIAL)?S?|[Aa]uthorization"
    r"|AUTHORIZATION|[Cc]ookies?|COOKIES?|"
    r"[Aa]uth|[Jj]wt|JWT|PAT|[Pp]at|[Ss]tring|STRING)"
    r"(?:[_-]?(?:[Ii][Dd]|[Vv]alue|VALUE|[Dd]ata|DATA|[0-9]{1,3}))?(?![A-Za-z0-9_])"
)
_QUOTE: Final = r"(?P<quote>\\{0,7}[\"'`])"
_INSIDE: Final = r"(?:(?!(?P=quote))(?:\\.|[^\\\n])){1,4096}"
_PLAIN: Final = r"[^\s\"'`&,;\\(){}<>\[\]|%]"
_SCHEME: Final = (
    r"(?:(?:[Bb]earer|[Bb]asic|[Tt]oken|[Aa]pi[Kk]ey|[Kk]ey|[Dd]igest|AWS4-HMAC-SHA256"
    r"|Negotiate|OAuth|[Bb]ot|GenieKey|SSWS|Splunk) {1,4})?"
)
"""What stands before the secret in a header: the registered words, and those of services."""
_LINE: Final = r"[^\s\\][^\n\\]{0,4096}"
_LINE_BREAK: Final = r"(?:\r?\n|\\{1,8}n)"
_NAMED: Final = re.compile(
    _ENDINGS + r"(?:"
    # "name": "x", 'name' => 'x', name = "x", os.environ["NAME"] = 'x', and these in quoted JSON
    rf"\\{{0,7}}[\"'`]?\]?\s{{0,4}}(?:=>|:=|[=:])\s{{0,4}}[rbfRBF]?{_QUOTE}(?P<quoted>{_INSIDE})"
    # ("name", "…"), [b'name', b'…']: a pair
    rf"|\\{{0,7}}[\"']\s{{0,2}},\s{{0,4}}b?(?P<pair_quote>\\{{0,7}}[\"'])"
    rf"(?P<pair>{_SCHEME}(?=[^\s\"'\\]{{0,64}}[0-9]){_PLAIN}{{8,4096}})(?P=pair_quote)"
    # <name>…</name>
    rf"|>(?P<element>[^<>\s]{{3,4096}})</"
    # name%3D…, name%22%3A%22…
    rf"|(?:%22|%27)?(?:%3[DA])(?:%20|\+){{0,4}}(?:%22|%27)?(?P<escaped>[^\s\"'&%\\<>]{{4,4096}})"
    # name: | and indented lines
    rf"|\\{{0,7}}[\"']?:\s{{0,4}}[|>][0-9+-]{{0,2}}{_LINE_BREAK}[ \t]{{1,40}}"
    rf"(?P<block>{_LINE}(?:{_LINE_BREAK}[ \t]{{1,40}}{_LINE}){{0,63}})"
    # name=…, name: …, --name …
    rf"|\\{{0,7}}[\"'`]?(?P<mark>\s{{0,4}}[=:]\s{{0,4}}|\s{{1,2}})"
    rf"(?P<plain>{_SCHEME}{_PLAIN}{{3,4096}})(?P<next>[(\[{{]?)"
    r")"
)
_NAME_BEFORE: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}\Z")
_CODE: Final = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]{0,40}(?:\.[A-Za-z_][A-Za-z0-9_]{0,40}){1,6}|[A-Za-z_-]+"
)
_PLACEHOLDER: Final = re.compile(
    _SCHEME + r"(?:[$<{,;:)\]]|%[({sr]|urn:[a-z0-9-]{2,32}:|"
    r"\*{3}|[xX]{3}|\.{3}|\s|\Z|[Yy]our[_ -]|YOUR[_ -]|"
    r"(?:None|null|NULL|nil|undefined|true|false|True|False|REDACTED|\[REDACTED\])(?![A-Za-z0-9]))"
)
"""How a value begins that is none: a variable, a gap to fill in, a URN of a kind, our own mark."""
_NAME_OF_VALUE: Final = re.compile(r"[A-Z]+|[A-Za-z]+(?:[_-][A-Za-z]+)+")
_TEMPLATE: Final = re.compile(r"(?:[^{}]{0,11}\{[A-Za-z_][^{}]{0,80}\}){1,32}[^{}]{0,11}")
_KINDS: Final = ("quoted", "pair", "element", "escaped", "block")


def named_values(text: str) -> Iterator[NamedValue]:
    """Yield where the values of telling names stand in a text: in assignments, JSON, YAML, headers,
    query strings, options of commands, XML and pairs.
    """
    for match in _NAMED.finditer(text):
        start = match.start()
        found = _NAME_BEFORE.search(text, max(0, start - _LONGEST_NAME), start)
        name = (found.group() if found else "") + text[start : _name_end(match)]
        kind = str(next((kind for kind in _KINDS if match.group(kind) is not None), "plain"))
        value = match.group(kind)
        if not is_telling_name(name) and not (is_weak_name(name) and RANDOM_VALUE.fullmatch(value)):
            continue
        if _is_placeholder(value, text[match.start("quote") - 1] if kind == "quoted" else ""):
            continue
        if kind != "plain" or _is_plain_secret(text, match, name, value):
            yield NamedValue(*match.span(kind))


def _is_placeholder(value: str, prefix: str) -> bool:
    """Return True for `<your key>`, `${TOKEN}`, `sk-...`, `my-api-key`, `f"share-{id}-{kind}"`."""
    if _PLACEHOLDER.match(value) or value.endswith(("...", "…")):
        return True
    if prefix in ("f", "F") and _TEMPLATE.fullmatch(value):
        return True
    return _NAME_OF_VALUE.fullmatch(value) is not None and is_telling_name(value)


_NAME: Final = re.compile(_ENDINGS)


def _name_end(match: re.Match[str]) -> int:
    name = _NAME.match(match.string, match.start())
    return name.end() if name else match.start()


def _is_plain_secret(text: str, match: re.Match[str], name: str, value: str) -> bool:
    """Return True if a value without quotes is one: code and prose are not."""
    if match.group("next"):
        return False
    mark = match.group("mark")
    start = match.start()
    if not mark.strip():
        return name.startswith("-") and "--" in text[max(0, start - _LONGEST_NAME) : start]
    asked = text[max(0, start - len(name)) - 1 : start][:1] in ("?", "&")
    if mark == "=" and (name.isupper() or asked):
        return True
    if ":" in mark and not mark.endswith((" ", ":")):
        return False
    return not _CODE.fullmatch(value) and any(char.isdigit() for char in value)
