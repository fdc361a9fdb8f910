"""What detect-secrets calls a secret: a judge that knows nothing of this package's own tables."""

from __future__ import annotations

import base64
import random
import re
import string
from collections.abc import Iterator

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector
from detect_secrets.plugins.ip_public import IPPublicDetector

DETECTORS = {
    name: plugin()
    for name, plugin in get_mapping_from_secret_type_to_class().items()
    if issubclass(plugin, RegexBasedDetector) and plugin is not IPPublicDetector
}
"""Its plugins that know a format. Left out: keywords, entropy, and addresses of machines."""
_ASSIGNED = (
    "Cloudant Credentials",
    "IBM Cloud IAM Key",
    "IBM COS HMAC Credentials",
    "SoftLayer Credentials",
)
"""Formats that are only told by the name they are given to. Their patterns are slow."""
_LONG_WORD = re.compile(r"[0-9A-Za-z_-]{24}")
"""The least that a secret of those formats holds."""
_AFTER_TITLE = 80
"""Characters in which a key starts after its title: the lines of a header stand between."""


def secrets_in(text: str) -> set[tuple[str, str]]:
    """Return what detect-secrets finds: the name of a format, and what it takes for the secret."""
    found = set()
    for name, detector in DETECTORS.items():
        for piece in _lines_of_long_words(text) if name in _ASSIGNED else [text]:
            found |= {(name, secret) for secret in detector.analyze_string(piece)}
    return found


def secret_places(text: str) -> list[tuple[int, int]]:
    """Return where the patterns of detect-secrets match, names and quotes included."""
    places = []
    for name, detector in DETECTORS.items():
        # Of a private key it finds the title only. The key follows.
        more = _AFTER_TITLE if name == "Private Key" else 0
        for pattern in detector.denylist:
            places += [(found.start(), found.end() + more) for found in pattern.finditer(text)]
    return places


def _lines_of_long_words(text: str) -> Iterator[str]:
    at = 0
    while found := _LONG_WORD.search(text, at):
        end = text.find("\n", found.end())
        at = len(text) if end < 0 else end
        yield text[text.rfind("\n", 0, found.start()) + 1 : at]


def made_up_secrets(seed: int) -> dict[str, list[str]]:
    """Return for each format a line for each pattern of detect-secrets, with a random secret."""
    source = random.Random(seed)

    def of(characters: str, count: int) -> str:
        return "".join(source.choice(characters) for _ in range(count))

    digits, upper, lower = string.digits, string.ascii_uppercase, string.ascii_lowercase
    hexadecimal, words = "0123456789abcdef", string.ascii_letters + string.digits
    small = lower + digits
    claims = [base64.urlsafe_b64encode(b'{"%s":1}' % of(lower, 7).encode()).decode() for _ in "12"]
    key = "\n".join(of(words + "+/", 64) for _ in range(4))
    pem = [
        f"-----BEGIN {kind}PRIVATE KEY{block}-----\n{key}\n-----END {kind}PRIVATE KEY{block}-----"
        for kind, block in [
            ("", ""),
            ("RSA ", ""),
            ("DSA ", ""),
            ("EC ", ""),
            ("OPENSSH ", ""),
            ("PGP ", " BLOCK"),
        ]
    ]
    ssh2 = "---- {} SSH2 ENCRYPTED PRIVATE KEY ----"
    return {
        "Artifactory Credentials": [
            f"token={'AKC' + of(words, 64)}",
            f"token={'AP' + of('ABCDEF' + digits, 1) + of(words, 40)}",
        ],
        "AWS Access Key": [
            *(prefix + of(upper + digits, 16) for prefix in ("AKIA", "ASIA", "ABIA", "ACCA")),
            f'aws_secret_key = "{of(words + "+/", 40)}"',
        ],
        "Azure Storage Account access key": [f"AccountKey={of(words + '+/', 86)}=="],
        "Basic Auth Credentials": [f"postgres://{of(lower, 6)}:{of(words, 16)}@db.internal:5432/a"],
        "Cloudant Credentials": [
            f'cloudant_password = "{of(hexadecimal, 64)}"',
            f'cloudant_token = "{of(lower, 24)}"',
            f"https://account:{of(hexadecimal, 64)}@account.cloudant.com",
            f"https://account:{of(lower, 24)}@account.cloudant.com",
        ],
        # Only its service's name tells it from the names of a module.
        "Discord Bot Token": [f"DISCORD_TOKEN=M{of(words, 23)}.{of(words, 6)}.{of(words, 27)}"],
        "GitHub Token": [f"gh{kind}_{of(words, 36)}" for kind in "pousr"],
        "GitLab Token": [
            *(f"{kind}-{of(words, 20)}" for kind in ("glpat", "gldt", "glft", "glsoat", "glrt")),
            "GR13489" + "41" + of(words, 20),
            f"glcbt-{of(hexadecimal, 2)}_{of(words, 20)}",
            f"glimt-{of(words, 25)}",
            f"glptt-{of(words, 40)}",
            f"glagent-{of(words, 50)}",
            f"gloas-{of(words, 64)}",
        ],
        "IBM Cloud IAM Key": [f'ibm_cloud_api_key = "{of(words, 44)}"'],
        "IBM COS HMAC Credentials": [f'cos_hmac_secret_access_key = "{of(hexadecimal, 48)}"'],
        "JSON Web Token": [f"{claims[0]}.{claims[1]}.{of(words, 43)}".replace("=", "")],
        "Mailchimp Access Key": [f"{of(hexadecimal, 32)}-us12"],
        "NPM tokens": [
            f"//packages.example.com/:_authToken=npm_{of(words, 36)}",
            f"//npm.example.com/:_authToken={of(hexadecimal, 24)}-{of(hexadecimal, 11)}",
        ],
        "OpenAI Token": [f"sk-{of(words, 20)}T3Blbk" + f"FJ{of(words, 20)}"],
        "Private Key": [
            *pem,
            f"{ssh2.format('BEGIN')}\n{key}\n{ssh2.format('END')}",
            f"PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nPrivate-Lines: 4\n{key}\n",
        ],
        "PyPI Token": [
            f"pypi-AgEIcHlwaS5vcmc{of(words, 80)}",
            f"pypi-AgENdGVzdC5weXBpLm9yZw{of(words, 80)}",
        ],
        "SendGrid API Key": [f"SG.{of(words, 22)}.{of(words, 43)}"],
        "Slack Token": [
            *(f"xox{kind}-{of(digits, 12)}-{of(small, 24)}" for kind in "abposr"),
            f"https://hooks.slack.com/services/T{of(upper, 8)}/B{of(upper, 8)}/{of(words, 24)}",
        ],
        "SoftLayer Credentials": [
            f'softlayer_api_key = "{of(small, 64)}"',
            f"https://api.softlayer.com/soap/v3/{of(small, 64)}",
        ],
        "Square OAuth Secret": [f"sq0csp-{of(words, 43)}"],
        "Stripe Access Key": [f"{kind}k_live_{of(words, 24)}" for kind in "rs"],
        "Telegram Bot Token": [f"{of('123456789', 10)}:{'AA' + of(words, 33)}"],
        "Twilio API Key": ["SK" + of(hexadecimal, 32)],  # AC… is the name of an account
    }
