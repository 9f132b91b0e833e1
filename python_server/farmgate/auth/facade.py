"""What the process and other modules use of signing in."""

from farmgate.auth.authenticator import Authenticator
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.logic import SignIn
from farmgate.auth.passwords import Passwords
from farmgate.auth.sessions import Sessions
from farmgate.auth.store import Session
from farmgate.auth.tokens import SigningKeyError, Subject, Tokens
from farmgate.auth.values import Accounts, Client, Policy, SignedIn

__all__ = [
    "Accounts",
    "Authenticator",
    "Client",
    "Lockouts",
    "Passwords",
    "Policy",
    "Session",
    "Sessions",
    "SignIn",
    "SignedIn",
    "SigningKeyError",
    "Subject",
    "Tokens",
]
