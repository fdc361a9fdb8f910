"""Secrets in headers, addresses, connection strings, configuration files and commands."""

from __future__ import annotations

from typing import Final

from .shape import ALNUM, DIGIT, HEX, LOWER, URLSAFE, Shape, exactly, starts_word, written

_PLACEHOLDER: Final = r"(?![$<{%*\[]|[xX]{3}|\.{3})"
_STOP: Final = r"\s\"'<>\\&;)"
_START: Final = starts_word("")

TEXT_SHAPES: Final[tuple[Shape, ...]] = (
    written(
        "bearer-token",
        "HTTP authorization",
        ["earer ", "EARER "],
        r"(?:[Bb]earer|BEARER) {1,4}(?P<secret>"
        r"(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{8,4096})",
        (exactly(32, URLSAFE),),
        before="Bearer ",
    ),
    written(
        "basic-credentials",
        "HTTP authorization",
        ["Basic ", "basic "],
        r"[Bb]asic {1,4}(?P<secret>(?=[a-z0-9+/=]{0,64}[A-Z])"
        r"(?=[A-Z0-9+/=]{0,64}[a-z])(?=[A-Za-z+/]{0,64}[0-9=])"
        r"(?:[A-Za-z0-9+/]{4}){2,256}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
        r"(?![A-Za-z0-9+/=._-]))",
        (exactly(20, ALNUM),),
        before="Basic ",
    ),
    written(
        "url-password",
        "URLs",
        ["://"],
        r"://[^\s/:@\"'<>\\]{0,128}:"
        rf"(?P<secret>{_PLACEHOLDER}[^\s/@\"'<>\\{{}}]{{1,256}})@(?=[A-Za-z0-9\[_$%{{/<\"'-])",
        (exactly(16, ALNUM),),
        before="postgresql://admin:",
        after="@db.internal:5432/app",
    ),
    written(
        "sidekiq-url",
        "Sidekiq",
        ["contribsys.com"],
        r"://(?P<secret>[a-f0-9]{8}:[a-f0-9]{8})@(?:gems|enterprise)\.contribsys\.com",
        (exactly(8, HEX), ":", exactly(8, HEX)),
        before="https://",
        after="@gems.contribsys.com/",
    ),
    written(
        "aws-presigned-url",
        "AWS",
        ["mz-Signature", "mz-Security-Token", "mz-Credential"],
        rf"[Xx]-[Aa]mz-(?:Signature|Security-Token|Credential)(?:=|%3D)"
        rf"(?P<secret>[^{_STOP}]{{8,4096}})",
        (exactly(64, HEX),),
        before="https://b.s3.amazonaws.com/k?X-Amz-Signature=",
    ),
    written(
        "google-signed-url",
        "Google Cloud Storage",
        ["X-Goog-Signature"],
        rf"X-Goog-Signature(?:=|%3D)(?P<secret>[^{_STOP}]{{16,2048}})",
        (exactly(64, HEX),),
        before="https://storage.googleapis.com/b/k?X-Goog-Signature=",
    ),
    written(
        "azure-sas",
        "Azure",
        ["sig="],
        r"(?<![A-Za-z0-9_])sig=(?P<secret>"
        r"(?=[A-Za-z+/%]{0,60}[0-9])[A-Za-z0-9+/%_-]{32,128}={0,2})",
        (exactly(43, ALNUM), "%3D"),
        before="?sv=2024-11-04&sig=",
    ),
    written(
        "azure-connection-string",
        "Azure",
        ["AccountKey=", "SharedAccessKey=", "SharedSecretValue="],
        r"(?:AccountKey|SharedAccessKey|SharedSecretValue)=(?P<secret>[A-Za-z0-9+/]{16,256}={0,2})",
        (exactly(86, ALNUM), "=="),
        before="AccountName=a;AccountKey=",
        after=";EndpointSuffix=core.windows.net",
    ),
    written(
        "azure-client-secret",
        "Azure",
        [f"{digit}Q~" for digit in range(10)],
        _START + r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,40}",
        (exactly(3, ALNUM), "8Q~", exactly(34, URLSAFE)),
    ),
    written(
        "azure-search-key",
        "Azure",
        ["AzSe"],
        _START + r"[A-Za-z0-9]{42}AzSe[A-D][A-Za-z0-9]{5}(?![A-Za-z0-9])",
        (exactly(42, ALNUM), "AzSeB", exactly(5, ALNUM)),
    ),
    written(
        "azure-platform-key",
        "Azure",
        [
            "+ABa",
            "+AMC",
            "+ASt",
            "AzCa",
            "AzFu",
            "APIM",
            "ACDb",
            "+ACR",
            "+AEh",
            "+AIo",
            "+ASb",
            "JQQJ99",
        ],
        _START + r"(?:[A-Za-z0-9+/]{76}(?:\+ABa|\+AMC|\+ASt|APIM|ACDb)[A-Za-z0-9+/]{5}[AQgw]==|"
        r"[A-Za-z0-9+/]{33}(?:\+ASb|\+AEh|\+AIo)[A-P][A-Za-z0-9+/]{5}="
        r"|[A-Za-z0-9+/]{42}\+ACR[A-D][A-Za-z0-9+/]{5}|"
        r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]==|[A-Za-z0-9]{33}AzCa[A-P][A-Za-z0-9]{5}=|"
        r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{18}[A-Za-z0-9]{4}[A-Za-z0-9]{4})(?![A-Za-z0-9+/=])",
        (exactly(76, ALNUM), "+ASt", exactly(5, ALNUM), "Q=="),
    ),
    written(
        "terraform-token",
        "HashiCorp Terraform",
        [".atlasv1."],
        _START + r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,80}",
        (exactly(14, ALNUM), ".atlasv1.", exactly(67, URLSAFE)),
    ),
    written(
        "telegram-bot-token",
        "Telegram",
        [":AA"],
        _START + r"(?:bot)?(?P<secret>[0-9]{8,10}:AA[A-Za-z0-9_-]{32,34})(?![A-Za-z0-9_-])",
        (exactly(10, DIGIT), ":AA", exactly(33, URLSAFE)),
    ),
    written(
        "mailchimp-key",
        "Mailchimp",
        [f"-us{digit}" for digit in range(1, 10)],
        _START + r"[a-z0-9]{32}-us[1-9][0-9]?(?![A-Za-z0-9])",
        (exactly(32, HEX), "-us12"),
    ),
    written(
        "softlayer-address",
        "SoftLayer",
        ["api.softlayer.com/soap/"],
        r"api\.softlayer\.com/soap/v3(?:\.1)?/(?P<secret>[a-z0-9]{64})",
        (exactly(64, LOWER),),
        before="https://api.softlayer.com/soap/v3/",
    ),
    written(
        "maxmind-key",
        "MaxMind",
        ["_mmk"],
        _START + r"[A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk(?![A-Za-z0-9])",
        (exactly(6, ALNUM), "_", exactly(29, ALNUM), "_mmk"),
    ),
    written(
        "slack-webhook",
        "Slack",
        ["hooks.slack.com/"],
        r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9+/]{30,90})",
        ("T", exactly(10, "0-9A-Z"), "/B", exactly(10, "0-9A-Z"), "/", exactly(24, ALNUM)),
        before="https://hooks.slack.com/services/",
    ),
    written(
        "discord-webhook",
        "Discord",
        ["/api/webhooks/"],
        r"/api/webhooks/(?P<secret>[0-9]{17,20}/[A-Za-z0-9_-]{60,80})",
        (exactly(18, DIGIT), "/", exactly(68, URLSAFE)),
        before="https://discord.com/api/webhooks/",
    ),
    written(
        "teams-webhook",
        "Microsoft Teams",
        [".webhook.office.com/"],
        r"\.webhook\.office\.com/webhookb2/(?P<secret>[A-Za-z0-9@/-]{60,260})",
        (
            exactly(36, HEX),
            "@",
            exactly(36, HEX),
            "/IncomingWebhook/",
            exactly(32, HEX),
            "/",
            exactly(36, HEX),
        ),
        before="https://contoso.webhook.office.com/webhookb2/",
    ),
    written(
        "google-chat-webhook",
        "Google Chat",
        ["chat.googleapis.com/"],
        rf"chat\.googleapis\.com/v1/spaces/[^\s\"'<>\\]{{1,80}}[?&]"
        rf"(?P<secret>key=[^{_STOP}]{{20,80}}&token=[^{_STOP}]{{20,120}})",
        ("key=", exactly(39, ALNUM), "&token=", exactly(43, ALNUM)),
        before="https://chat.googleapis.com/v1/spaces/AAAA/messages?",
    ),
    written(
        "zapier-webhook",
        "Zapier",
        ["hooks.zapier.com/"],
        r"hooks\.zapier\.com/hooks/catch/(?P<secret>[0-9]{4,10}/[A-Za-z0-9]{5,40})",
        (exactly(7, DIGIT), "/", exactly(7, ALNUM)),
        before="https://hooks.zapier.com/hooks/catch/",
    ),
    written(
        "ifttt-webhook",
        "IFTTT",
        ["maker.ifttt.com/"],
        r"maker\.ifttt\.com/trigger/[^\s/\"']{1,80}/(?:json/)?with/key/"
        r"(?P<secret>[A-Za-z0-9_-]{20,64})",
        (exactly(43, ALNUM),),
        before="https://maker.ifttt.com/trigger/rain/with/key/",
    ),
    written(
        "docker-config-auth",
        "Docker",
        ['"auth', '"Auth'],
        r"\\{0,3}\"[Aa]uth\\{0,3}\"\s{0,8}:\s{0,8}\\{0,3}\""
        r"(?P<secret>[A-Za-z0-9+/]{12,1024}={0,2})\\{0,3}\"",
        (exactly(32, ALNUM),),
        before='{"auth": "',
        after='"}',
    ),
    written(
        "npmrc-auth",
        "npm",
        [":_auth"],
        rf":_auth(?:Token)?\s{{0,3}}=\s{{0,3}}\"?(?P<secret>{_PLACEHOLDER}[^{_STOP}]{{8,512}})",
        (exactly(36, ALNUM),),
        before="//npm.example.com/:_authToken=",
    ),
    written(
        "netrc-password",
        "netrc",
        ["machine "],
        r"machine\s{1,4}[^\s]{1,200}\s{1,8}login\s{1,4}[^\s]{1,200}\s{1,8}"
        r"password\s{1,4}(?P<secret>[^\s\"'\\]{1,256})",
        (exactly(20, ALNUM),),
        before="machine api.internal login deploy password ",
    ),
    written(
        "nuget-config-password",
        "NuGet",
        ["<add key="],
        r"<add key=\\{0,3}\"[A-Za-z]{0,20}[Pp]assword\\{0,3}\"\s{1,8}value=\\{0,3}\""
        r"(?P<secret>(?!%)[^\"\\\n]{4,256})",
        (exactly(20, ALNUM),),
        before='<add key="ClearTextPassword" value="',
        after='" />',
    ),
    written(
        "freemius-secret-key",
        "Freemius",
        ["secret_key"],
        r"secret_key[\"']\s{0,8}=>\s{0,8}[\"'](?P<secret>sk_[^\s\"']{29})(?=[\"'])",
        ("sk_", exactly(29, ALNUM)),
        before="'secret_key' => '",
        after="'",
    ),
    written(
        "curl-user",
        "curl",
        ["curl "],
        rf"curl (?:[^\n\\]|\\.|\\\n){{0,300}}?(?<=[\s])"
        rf"(?:-u|--user)(?:=|\s{{0,4}})\\{{0,3}}[\"']?(?:[^\s:\"'\\]{{0,64}}):"
        rf"(?P<secret>{_PLACEHOLDER}[^\s\"'\\]{{1,128}})",
        (exactly(20, ALNUM),),
        before="curl -s -u deploy:",
        after=" https://api.internal",
    ),
    written(
        "kubernetes-secret",
        "Kubernetes",
        ["kind: Secret"],
        r"kind: Secret\b(?:(?!\n---|\\n---)[\s\S]){0,600}?(?:\\n|\b)(?:data|stringData):(?P<secret>"
        r"(?:(?:\r?\n|\\{1,8}n) {1,8}[\w.-]{1,80}: {1,4}[^\s\\\"'{}]{4,4096}){1,64})",
        ("\n  user: ", exactly(24, ALNUM), "\n  pass: ", exactly(24, ALNUM)),
        before="kind: Secret\nmetadata:\n  name: a\ndata:",
    ),
)
