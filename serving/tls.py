"""TLS of the stand-in's gRPC port, as --ssl_config_file asks."""

import pathlib
import ssl
import tempfile

import grpc

from serving import configs


def credentials(path: str) -> grpc.ServerCredentials:
    """Reads an `SSLConfig`, whose fields are the contents of PEM files.

    Raises:
        ValueError: If a part is missing or unreadable, or the certificate
            does not belong to the key.
        OSError: If the file cannot be read.
    """
    config = configs.ssl(path)
    key, certificate = config.server_key.encode(), config.server_cert.encode()
    authority = config.custom_ca.encode() or None
    if config.client_verify and not authority:
        raise ValueError(f"{path}: client_verify needs custom_ca.")
    _check(path, key, certificate, config.custom_ca)
    return grpc.ssl_server_credentials(
        [(key, certificate)], authority, config.client_verify
    )


def _check(path: str, key: bytes, certificate: bytes, authority: str) -> None:
    """Holds the parts to OpenSSL, as gRPC would only fail to listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain = pathlib.Path(folder, "certificate")
        chain.write_bytes(certificate)
        secret = pathlib.Path(folder, "key")
        secret.write_bytes(key)
        try:
            # Without a password, it would ask for one on the terminal.
            context.load_cert_chain(chain, secret, password="")
        except ssl.SSLError as error:
            reason = error.reason or "not in PEM format"
            raise ValueError(
                f"{path}: server_cert and server_key: {_words(reason)}."
            ) from error
    try:
        if authority:
            context.load_verify_locations(cadata=authority)
    except ssl.SSLError as error:
        raise ValueError(f"{path}: custom_ca: {error.reason}") from error


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
