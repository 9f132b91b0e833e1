"""Notifications as e-mail, plain and HTML: one, or those that were gathered, in one message.

What stands around them is in the reader's language; their own words are English.
"""

from collections.abc import Sequence
from email.message import EmailMessage
from typing import Final, NamedTuple

import jinja2

from farmgate.notifications.store import Notification
from farmgate.users.facade import User

_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("farmgate.notifications"),
    autoescape=jinja2.select_autoescape(["html"]),
    undefined=jinja2.StrictUndefined,
)


class Words(NamedTuple):
    """What stands around notifications in a language."""

    greeting: str
    why: str
    gathered: str


_ENGLISH: Final = "en"
WORDS: Final = {
    "en": Words(
        "Hello {name},", "You get this because of your notification preferences.",
        "{count} notifications",
    ),
    "fr": Words(
        "Bonjour {name},", "Vous recevez ce message selon vos préférences de notification.",
        "{count} notifications",
    ),
    "es": Words(
        "Hola, {name}:", "Recibe este mensaje según sus preferencias de notificación.",
        "{count} notificaciones",
    ),
    "hi": Words(
        "नमस्ते {name},", "यह संदेश आपकी सूचना प्राथमिकताओं के अनुसार भेजा गया है।",
        "{count} सूचनाएँ",
    ),
    "am": Words(
        "ሰላም {name}፣", "ይህ መልእክት የደረሰዎት በማሳወቂያ ምርጫዎችዎ መሠረት ነው።", "{count} ማሳወቂያዎች",
    ),
}  # fmt: skip


def language_of(locale: str) -> str:
    """Returns the language of letters for a locale such as "fr-SN"; English for others."""
    language = locale.replace("_", "-").partition("-")[0].lower()
    return language if language in WORDS else _ENGLISH


def letter(told: Sequence[Notification], user: User, sender: str, locale: str) -> EmailMessage:
    """Returns notifications as an e-mail.

    Args:
        told: One of them, or those that were gathered.
        user: Who is told.
        sender: Address it comes from.
        locale: The reader's; its language decides.
    """
    language = language_of(locale)
    words = WORDS[language]
    first = told[0]
    is_one = len(told) == 1
    title = first.title if is_one else words.gathered.format(count=len(told))
    message = EmailMessage()
    message["From"] = sender
    message["To"] = user.email
    message["Subject"] = title
    # Sent again after a crash, it has the same name.
    name = first.id if is_one else f"{first.id}-{len(told)}"
    message["Message-ID"] = f"<{name}@{sender.rpartition('@')[2]}>"
    message["Date"] = told[-1].created_at
    values = {
        "language": language, "greeting": words.greeting.format(name=user.display_name),
        "why": words.why, "items": [{"title": one.title, "body": one.body} for one in told],
    }  # fmt: skip
    message.set_content(_templates.get_template("letter.txt").render(values))
    message.add_alternative(_templates.get_template("letter.html").render(values), subtype="html")
    return message
