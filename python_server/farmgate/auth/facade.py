"""What the process and other modules use of signing in."""

from farmgate.auth.authenticator import Authenticator
from farmgate.auth.factors import Factors
from farmgate.auth.key_store import ApiKey
from farmgate.auth.keys import ApiKeys, KeyWithSecret
from farmgate.auth.letters import Letters
from farmgate.auth.lockouts import Lockouts
from farmgate.auth.logic import SignIn
from farmgate.auth.mfa import Enrolled, SecondFactors
from farmgate.auth.opening import Opening
from farmgate.auth.passwords import Passwords
from farmgate.auth.reauthentication import Reauthentication
from farmgate.auth.recovery import Recovery
from farmgate.auth.sessions import Sessions
from farmgate.auth.store import Session
from farmgate.auth.tokens import SigningKeyError, Subject, Tokens
from farmgate.auth.values import Accounts, Client, Policy, SignedIn

__all__ = [
    "Accounts",
    "ApiKey",
    "ApiKeys",
    "Authenticator",
    "Client",
    "Enrolled",
    "Factors",
    "KeyWithSecret",
    "Letters",
    "Lockouts",
    "Opening",
    "Passwords",
    "Policy",
    "Reauthentication",
    "Recovery",
    "SecondFactors",
    "Session",
    "Sessions",
    "SignIn",
    "SignedIn",
    "SigningKeyError",
    "Subject",
    "Tokens",
]
