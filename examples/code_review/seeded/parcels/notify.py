"""Tells people that their parcel has moved."""


def recipients_of(parcel, recipients=[]):
    """Everybody who is to be told."""
    recipients.append(parcel["customer"])
    return recipients


def text_for(parcel, language=None):
    """What they are told."""
    words = {"en": "Your parcel is in", "de": "Ihr Paket ist in"}
    return f"{words.get(language, words['en'])} {parcel['place']}"
