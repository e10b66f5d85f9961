"""Words by which columns and values of common CRMs are known."""

from __future__ import annotations

import re
from typing import Final

# Names of columns by what they say, the surest first; written as `plain_name` gives them.
NAMES: Final = {
    "id": """
        id|opportunity id|deal id|record id|hs object id|opportunity|opportunity number|
        deal number|case id|case concept name|case|mql id|lead id|contact id|object id|
        issue key|key|ticket id|deal|lead|opportunity name id|item|item id|case number|
        application id|request id|nr|no|number|nummer|numero""",
    "created": """
        created|create date|created date|createdate|created at|created on|date created|
        creation date|created time|add time|deal created|created timestamp|opened|
        opened at|open date|date opened|engage date|first contact date|first contact|
        entry date|lead date|inquiry date|start date|received|angelegt am|erstellt am|
        signup date|sign up date|
        erstelldatum|fecha de creacion|date de creation|date""",
    "closed": """
        closed|close date|closed date|closedate|closed at|closed on|date closed|
        deal closed on|close time|actual close date|actual closed date|closing date|
        closed timestamp|end date|resolved|abgeschlossen am|abschlussdatum|fecha de cierre|
        date de cloture|finished""",
    "won": """
        won time|won date|date won|won at|won on|win date|signed date|contract date|
        gewonnen am""",
    "lost": """
        lost time|lost date|date lost|lost at|lost on|verloren am""",
    "status": """
        status|deal status|opportunity status|stage|deal stage|stage name|stagename|
        dealstage|opportunity stage|sales stage|pipeline stage|deal pipeline stage id|
        stage id|state|outcome|result|status label|phase|etat|estado|lead status""",
    "amount": """
        amount|deal value|close value|deal amount|value|deal size|opportunity amount|
        actual revenue|actual value|amount in company currency|est revenue|
        estimated revenue|revenue|total|acv|arr|tcv|price|contract value|betrag|wert|
        auftragswert|angebotswert|volumen|auftragsvolumen|umsatz|order value|order amount|
        purchase amount|sales amount|
        montant|importe|declared monthly revenue""",
    "channel": """
        channel|lead source|source|leadsource|original source|original source type|
        lead origin|source channel|hs analytics source|latest source|origin|
        marketing channel|utm source|source campaign|campaign source|quelle|herkunft|kanal|canal|
        acquisition channel|utm medium""",
    "segment": """
        segment|business segment|customer segment|market segment|industry|sector|market|
        region|territory|country|customer type|type|company size|branche|secteur""",
    "product": """
        product|product name|product line|product family|product interest|plan|package|
        service|offering|line of business|produkt|produit|producto""",
    "stage": """
        stage|stage name|stagename|to stage|new stage|new value|newvalue|activity|
        concept name|event|event type|event name|lifecycle stage|deal stage|dealstage|
        status|new status|to status|state|phase|step|action""",
    "at": """
        at|timestamp|time timestamp|event time|event timestamp|event date|time|
        changed at|change date|changed on|date changed|stage date|entered at|entered|
        entered date|occurred at|when|complete timestamp|created date|created at|created|
        start timestamp|start time|date|last modified date|updated at|snapshot|
        snapshot date|report date|valid from|fivetran start""",
}  # fmt: skip
KNOWN: Final = {
    role: {" ".join(name.split()): place for place, name in enumerate(names.split("|"))}
    for role, names in NAMES.items()
}

_WON: Final = re.compile(
    r"(closed|deal|stage|is)? ?(won|win|gewonnen|gagne|ganado|ganada)( .*)?|closedwon|signed|"
    r"contract signed|sale closed|purchased|customer|success(ful)?|accepted|approved|verkauft"
)
_LOST: Final = re.compile(
    r"(closed|deal|stage|is)? ?(lost|verloren|perdu|perdido|perdida)( .*)?|closedlost|dead|"
    r"rejected|declined|cancell?ed|disqualified|unqualified|abandoned|no sale|failed|refused|"
    r"denied|churned|not interested|closed no decision|withdrawn|junk|spam|abgelehnt|storniert"
)
_OPEN: Final = re.compile(
    r"open|new|working|contacted|in progress|prospect(ing|ion)?|engag(ing|ed)|qualif(ication|"
    r"ied|ying)( .*)?|needs analysis|value proposition|id decision makers|perception analysis|"
    r"proposal.*|negotiation.*|discovery|demo.*|evaluation|appointment ?scheduled|"
    r"presentation ?scheduled|decision ?maker ?bought ?in|contract ?sent|qualified ?to ?buy|"
    r"nurtur(e|ing)|pending|verbal|commit(ted)?|quote.*|offer.*|lead|mql|sql|sal|opportunity|"
    r"offen|converted|on hold|stalled"
)
DELETED: Final = frozenset(
    {"is deleted", "deleted", "isdeleted", "archived", "is test", "fivetran deleted"}
)
ACTIVE: Final = frozenset({"fivetran active", "is current", "is latest"})
PIPELINES: Final = frozenset({"pipeline", "deal pipeline", "pipeline name", "record type"})
CURRENCY: Final = frozenset(
    {"currency", "currency code", "currency iso code", "currencyisocode"}
    | {"deal currency code", "deal currency", "currency of value", "value currency"}
    | {"amount currency", "transaction currency", "wahrung", "währung", "devise", "moneda"}
)
TRUE: Final = frozenset({"true", "1", "yes", "y", "t"})
CODES: Final = {
    "$": "USD",
    "US$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "zł": "PLN",
}
_PREFIXES: Final = re.compile(r"^(property|properties|deal|opportunity|opp|contact|lead) (?=.)")
ENTERED: Final = re.compile(
    r"(?:hs )?(?:date|day|time) (?:of )?(?:entered|entering|reached|became)(?: stage)? (.+?)"
    r"(?: (?:in )?\S* ?pipeline)?|(.+?) (?:entered|reached) (?:date|at|on)"
)


# "6. Closed Won (100%)", "A_APPROVED": what numbers and letters a value is sorted by.
_SORTED_BY: Final = re.compile(r"^(?:(?:\d+|[a-z]) )+(?=\w\w)|(?: \d+)+$")


def plain_name(name: str) -> str:
    """Write a column's name in small words: camel case parted, signs left out.

    >>> plain_name("StageName"), plain_name("Deal - Won time"), plain_name("property_createdate")
    ('stage name', 'deal won time', 'property createdate')
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.sub(r"[^\w]+|_", " ", parted).casefold().split())


def claim(name: str, role: str) -> float:
    """Tell how much a column's name says that it has a role: 0 for not at all, up to 1.

    >>> claim("Deal - Won time", "won") > claim("won_something", "won")
    True
    """
    plain = plain_name(name)
    known = KNOWN[role]
    for weight, word in ((1.0, plain), (0.9, _PREFIXES.sub("", plain))):
        if word in known:
            return weight - known[word] * 0.005
    if role == "id":
        return 0.3 if plain.endswith(" id") else 0.0
    words = set(plain.split())
    found = [place for each, place in known.items() if len(each) > 3 and set(each.split()) <= words]
    return 0.5 - min(found) * 0.005 if found else 0.0


def meaning(value: str) -> str | None:
    """Tell what a value of a status means: won, lost or open, or None where its words do not say.

    >>> meaning("Closed Won"), meaning("Negotiation/Review"), meaning("Zweitgespräch")
    ('won', 'open', None)
    >>> meaning("1 - Won"), meaning("0. Closed Lost (0%)"), meaning("A_DECLINED")
    ('won', 'lost', 'lost')
    """
    plain = plain_name(value)
    for text in (plain, _SORTED_BY.sub("", plain)):
        for word, pattern in (("lost", _LOST), ("won", _WON), ("open", _OPEN)):
            if pattern.fullmatch(text):
                return word
    return None
