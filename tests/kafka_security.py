"""What a Kafka for tests, and its clients, need for TLS and SASL; made anew each time."""

import subprocess
from pathlib import Path

from pydantic import SecretStr

from streams.security import NO_SECURITY, SecuritySettings

USERNAME, PASSWORD = "squall", "a-secret-of-tests"


def secure(directory: Path, sasl: bool, tls: bool) -> tuple[SecuritySettings, dict[str, str]]:
    """Give the clients' settings, and the environment of `deploy/kafka/node.sh`; files go into the directory."""
    if not sasl and not tls:
        return NO_SECURITY, {"LOCAL_KAFKA_EXTRA": "", "LOCAL_KAFKA_USERS": ""}
    extra, users = directory / "extra.properties", directory / "users"
    directory.mkdir(parents=True, exist_ok=True)
    protocol = "_".join(["SASL"] * sasl + [("SSL" if tls else "PLAINTEXT")])
    lines = [f"listener.security.protocol.map=CLIENT:{protocol},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"]
    client: dict[str, object] = {"protocol": protocol}
    if sasl:
        users.write_text(f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]\n")
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        lines.append("listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512")
        lines.append(f"listener.name.client.scram-sha-512.sasl.jaas.config={module} required;")
        client |= {"username": USERNAME, "password": SecretStr(PASSWORD)}
    if tls:
        broker = _certificate(directory, "broker")
        lines += ["ssl.keystore.type=PEM", f"ssl.keystore.location={broker}"]
        client["ca_file"] = str(broker)
    if tls and not sasl:
        own = _certificate(directory, "client")
        lines += ["ssl.truststore.type=PEM", f"ssl.truststore.location={_public_part(own)}"]
        lines.append("listener.name.client.ssl.client.auth=required")
        client["cert_file"] = str(own)
    extra.write_text("\n".join(lines) + "\n")
    environment = {"LOCAL_KAFKA_EXTRA": str(extra), "LOCAL_KAFKA_USERS": str(users) if sasl else ""}
    return SecuritySettings(**client), environment  # type: ignore[arg-type]


def _certificate(directory: Path, name: str) -> Path:
    """A key and a certificate that it signed itself, for the loopback interface and a day, in one file."""
    key, certificate, both = (directory / f"{name}{kind}.pem" for kind in ("-key", "-certificate", ""))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "1", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


def _public_part(both: Path) -> Path:
    return both.with_name(f"{both.stem}-certificate.pem")
