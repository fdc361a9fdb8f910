"""Made-up secrets, and the places in a text where they stand."""

from __future__ import annotations

# Put together at run time, so that no scanner takes the source for a leak.
SECRETS = {
    "aws key id": "AKIA" + "IOSFODNN7EXAMPLE",
    "aws session key id": "ASIA" + "IOSFODNN7EXAMPLE",
    "openai": "sk-" + "abcdefghijklmnopqrst1234567890",
    "openai project": "sk-proj-" + "aB3dEfGh1jKlMn0pQrStUvWxYz-_12",
    "anthropic": "sk-ant-" + "api03-aBcDeFgHiJkLmNoPqRsT",
    "github": "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8",
    "github fine": "github_pat_" + "11ABCDEFG0123456789_abcdefghijklmnopqrstuvw",
    "slack": "xoxb-" + "123456789012-abcdefABCDEF",
    "google": "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "google oauth": "ya29." + "a0AfH6SMBx1234567890abcdef",
    "hugging face": "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH",
    "langsmith": "lsv2_pt_" + "0123456789abcdef0123456789abcdef",
    "jwt": "eyJhbGciOiJIUzI1NiJ9"
    + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0"
    + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEfake+key/material0123=\n-----END RSA "
    "PRIVATE KEY-----",
    "encrypted key": "-----BEGIN PRIVATE KEY-----\\nMIIEfake0in1one2line34567\\n-----END PRIVATE "
    "KEY-----",
}
PLACES = [
    "{}",
    "the key is {} and more",
    "key={}",
    "({})",
    '"{}"',
    "'{}'",
    "a\n{}\nb",
    "https://host/path?x={}&y=1",
    "Bearer {}",
]
