"""Beyond this machine: TLS of its own, proxies that are believed, names that are ours; and what is refused."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from gateway.access.doors import AccessSetup, address_of
from gateway.access.network import Network, cookie_name
from gateway.access.network import address_of as parsed
from gateway.headers import SecurityHeaders
from gateway.server import GatewayServer, Outside

PROXIED = Network(("trade.example",), ("10.0.0.0/8", "127.0.0.1/32"))


def scope(peer: str, headers: Mapping[str, str] | None = None, **more: object) -> dict:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()]
    return {"type": "http", "client": (peer, 5), "server": ("10.0.0.9", 8420), "headers": raw, "scheme": "http", **more}


@pytest.mark.parametrize(
    ("peer", "said", "client"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.2.2.2", "203.0.113.9"),
        ("10.0.0.1", "nonsense, 10.2.2.2", "10.2.2.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("unix", "203.0.113.9", ""),
    ],
)
def test_the_last_hop_that_is_no_proxy_of_ours_is_who_calls(peer: str, said: str, client: str):
    assert PROXIED.client_ip(scope(peer, {"X-Forwarded-For": said})) == client


@given(st.text(max_size=60), st.sampled_from(["10.0.0.1", "192.0.2.7"]))
def test_whatever_a_proxy_writes_is_an_address_or_the_proxy(said: str, peer: str):
    header = said.encode("latin-1", "replace").decode("latin-1")
    found = PROXIED.client_ip(scope(peer, {"X-Forwarded-For": header}))
    assert parsed(found) is not None
    if peer == "192.0.2.7":
        assert found == peer


def test_https_is_believed_of_our_proxies_only_and_decides_cookie_and_hsts():
    header = {"X-Forwarded-Proto": "https"}
    assert PROXIED.scheme(scope("10.0.0.1", header)) == "https"
    assert PROXIED.scheme(scope("192.0.2.1", header)) == "http"
    assert PROXIED.scheme(scope("10.0.0.1", {"X-Forwarded-Proto": "ftp"})) == "http"
    assert PROXIED.scheme(scope("192.0.2.1", {}, scheme="wss")) == "https"
    assert cookie_name(scope("10.0.0.1"), is_tls=True) == "__Host-moondev_8420"


def test_a_name_of_ours_counts_with_any_port_and_its_origin_with_its_scheme():
    for host in ("trade.example", "trade.example:443", "TRADE.example:8443", "127.0.0.1:8420", "localhost:8420"):
        assert not PROXIED.foreign_host(scope("10.0.0.1", {"Host": host})), host
    for host in ("evil.example", "trade.example.evil", "trade.example:x", "trade.example:443:1", "127.0.0.1", "", "["):
        assert PROXIED.foreign_host(scope("10.0.0.1", {"Host": host})), host
    https = {"Host": "trade.example", "X-Forwarded-Proto": "https"}
    assert not PROXIED.foreign_origin(scope("10.0.0.1", {**https, "Origin": "https://trade.example"}), required=True)
    for origin in ("http://trade.example", "https://trade.example:8420", "null", "https://evil.example"):
        assert PROXIED.foreign_origin(scope("10.0.0.1", {**https, "Origin": origin}), required=False)


def test_links_lead_to_the_name_that_people_open():
    assert address_of(AccessSetup(), "localhost", 8420) == "http://127.0.0.1:8420"
    assert address_of(AccessSetup(), "::1", 8420) == "http://[::1]:8420"
    names = ("trade.example",)
    assert address_of(AccessSetup(hosts=names, certificate="c", key="k"), "0.0.0.0", 443) == "https://trade.example"
    assert address_of(AccessSetup(hosts=names, certificate="c"), "0.0.0.0", 8443) == "https://trade.example:8443"
    assert address_of(AccessSetup(hosts=names, behind_proxy=("10.0.0.0/8",)), "0.0.0.0", 1) == "https://trade.example"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "moondev tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, key_file = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file.write_bytes(private)
    key_file.chmod(0o600)
    return certificate, key_file


async def test_it_serves_tls_and_says_hsts_and_nothing_to_who_speaks_plainly(pair: tuple[Path, Path]):
    app = FastAPI()
    app.add_middleware(SecurityHeaders, network=Network())

    @app.get("/")
    async def scheme(request: Request) -> str:
        return request.url.scheme

    server = GatewayServer(app, "127.0.0.1", 0, Outside(certificate=str(pair[0]), key=str(pair[1])))
    assert server.url == f"https://127.0.0.1:{server.port}"
    task = asyncio.create_task(server.run())
    context = ssl.create_default_context(cafile=str(pair[0]))
    async with httpx.AsyncClient(verify=context) as client:
        answer = await client.get(server.url)
        assert (answer.json(), answer.headers["strict-transport-security"]) == ("https", "max-age=31536000")
        with pytest.raises(httpx.TransportError):
            await client.get(server.url.replace("https", "http"))
    old = ssl.create_default_context(cafile=str(pair[0]))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with httpx.AsyncClient(verify=old) as client:
        assert (await client.get(server.url)).status_code == 200
    await server.aclose()
    await asyncio.wait_for(task, 20)


def test_a_host_beyond_this_machine_takes_tls_or_a_proxy_and_files_that_are_right(pair: tuple[Path, Path], tmp_path):
    certificate, key = map(str, pair)
    assert Outside(certificate=certificate, key=key).host("0.0.0.0") == "0.0.0.0"
    assert Outside(is_behind_proxy=True).host("10.1.1.1") == "10.1.1.1"
    for outside, host, why in (
        (Outside(), "0.0.0.0", "without TLS"),
        (Outside(is_behind_proxy=True), "trade.example", "no address of this machine"),
    ):
        with pytest.raises(ConfigError, match=why):
            outside.host(host)
    readable = tmp_path / "open.pem"
    readable.write_bytes(pair[1].read_bytes())
    readable.chmod(0o640)
    torn = tmp_path / "torn.pem"
    torn.write_text("-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n")
    torn.chmod(0o600)
    for files, why in (
        ((certificate, str(readable)), "chmod 600"),
        ((certificate, str(torn)), "no pair that can be read"),
        ((certificate, str(tmp_path / "gone.pem")), "No such file"),
        ((str(tmp_path / "gone.pem"), key), "No such file"),
    ):
        with pytest.raises(ConfigError, match=why):
            Outside(certificate=files[0], key=files[1]).files()
