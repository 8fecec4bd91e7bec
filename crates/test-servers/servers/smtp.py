"""A mail server for tests: plain, with STARTTLS and with implicit TLS. It stores each accepted mail as a JSON file.

    smtp.py FOLDER      the folder for mails, and for `server.json`, which describes the server once it listens

It rejects recipients whose name begins with `refused` permanently, and recipients whose name begins with `busy` at the
first attempt only.
"""

import asyncio
import itertools
import json
import pathlib
import ssl
import sys
from email import message_from_bytes, policy

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

HOST = "localhost"
USER = "authme"
PASSWORD = "the password of a test"


class Mails:
    """The handler that aiosmtpd calls for recipients and mails."""

    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count(1)
        self.deferred = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            # The reply repeats the address, as the replies of real servers do.
            return f"550 5.1.1 <{address}> is nobody here"
        if address.startswith("busy") and address not in self.deferred:
            self.deferred.add(address)
            return f"451 4.3.2 <{address}> is busy, try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.store(server, session, envelope)
        return "250 OK"

    def store(self, server, session, envelope):
        """Renames the file last, so that a reader finds it complete."""
        raw = envelope.original_content
        mail = message_from_bytes(raw, policy=policy.default)
        accepted = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "tls": tls_version(server),
            "login": session.auth_data,
            "headers": {name: str(value) for name, value in mail.items()},
            "text": mail.get_content(),
            "raw": raw.decode(errors="replace"),
        }
        name = f"{next(self.numbers):06}.json"
        partial = self.folder / (name + ".partial")
        partial.write_text(json.dumps(accepted))
        partial.rename(self.folder / name)


def tls_version(server):
    protocol = server.transport.get_extra_info("ssl_object")
    return protocol.version() if protocol else None


def authenticate(server, session, envelope, mechanism, login):
    if (login.login, login.password) == (USER.encode(), PASSWORD.encode()):
        return AuthResult(success=True, auth_data=USER)
    return AuthResult(success=False, handled=False)


async def listen(mails, **tls):
    """Listens on a free port. `wrapped` enables TLS from the first byte, `context` enables STARTTLS."""
    loop = asyncio.get_running_loop()
    wrapped = tls.get("wrapped")

    def connection():
        return SMTP(
            mails,
            hostname=HOST,
            enable_SMTPUTF8=True,
            tls_context=tls.get("context"),
            # aiosmtpd does not recognize TLS that starts with the first byte.
            auth_require_tls=wrapped is None,
            authenticator=authenticate,
            loop=loop,
        )

    server = await loop.create_server(connection, "127.0.0.1", 0, ssl=wrapped)
    return server.sockets[0].getsockname()[1]


async def serve(folder):
    folder.mkdir(parents=True)
    inbox = folder / "mails"
    inbox.mkdir()
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST, "127.0.0.1").configure_cert(context)
    mails = Mails(inbox)
    server = {
        "host": HOST,
        "plain_port": await listen(mails),
        "starttls_port": await listen(mails, context=context),
        "tls_port": await listen(mails, wrapped=context),
        "user": USER,
        "password": PASSWORD,
        "ca_file": str(ca_file),
        "mails": str(inbox),
    }
    partial = folder / "server.json.partial"
    partial.write_text(json.dumps(server, indent=2))
    partial.rename(folder / "server.json")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(pathlib.Path(sys.argv[1])))
