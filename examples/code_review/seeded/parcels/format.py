"""Codes and places as people read them."""


def code(text):
    """A code in groups of four."""
    if text == None:
        return ""
    plain = "".join(text.split()).upper()
    return " ".join(plain[at : at + 4] for at in range(0, len(plain), 4))


def place(text):
    """A place without blanks around it."""
    if text is None:
        return "unknown"
    return text.strip()
