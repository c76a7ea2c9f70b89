"""Settings: four layers, unknown names refused, errors that say where, origins."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr

from detectors.config import CoreSettings, Timing
from detectors.errors import ConfigError
from streams.settings import CORE_GROUPS, Settings, setting_names, settings_schema


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_file_environment_or_flags_the_defaults_stand() -> None:
    settings = Settings()
    assert settings.core == CoreSettings()
    assert settings.broker == "kafka://127.0.0.1:9092"
    assert {origin.origin for origin in settings.origins()} == {"default"}


def test_flags_win_over_environment_over_file_over_defaults(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere.joinpath("squall.toml").write_text(
        'broker = "file:1"\npartitions = 2\napp_id = "file"\n[timing]\ntick_ms = 50\nlateness_ms = 300\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("SQUALL_BROKER", "environment:1")
    monkeypatch.setenv("SQUALL_PARTITIONS", "3")
    monkeypatch.setenv("SQUALL_TIMING__TICK_MS", "20")
    settings = Settings(broker="flag:1")
    assert (settings.broker, settings.partitions, settings.app_id) == ("kafka://flag:1", 3, "file")
    assert settings.core.timing == Timing(tick_ms=20, lateness_ms=300)
    assert {name: origin for name, _, origin in settings.origins() if origin != "default"} == {
        "broker": "flag",
        "partitions": "SQUALL_PARTITIONS",
        "app_id": "squall.toml",
        "timing.tick_ms": "SQUALL_TIMING__TICK_MS",
        "timing.lateness_ms": "squall.toml",
    }


def test_a_flag_that_was_not_given_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_BROKER", "environment:1")
    assert Settings(broker=None).broker == "kafka://environment:1"


@pytest.mark.parametrize("named_by", ["flag", "environment"])
def test_another_file_can_be_named(named_by: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere.joinpath("other.toml").write_text("partitions = 7\n", encoding="utf-8")
    if named_by == "environment":
        monkeypatch.setenv("SQUALL_CONFIG", "other.toml")
    assert Settings(**({"config": "other.toml"} if named_by == "flag" else {})).partitions == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partition = 1\n", r"squall\.toml: unknown setting `partition`; did you mean `partitions`\?"),
        (
            "[timing]\ntick_msec = 1\n",
            r"squall\.toml: unknown setting `timing\.tick_msec`; did you mean `timing\.tick_ms`\?",
        ),
        (
            "[core.timing]\ntick_ms = 1\n",
            r"squall\.toml: unknown setting `core\.timing\.tick_ms`; did you mean `timing\.tick_ms`",
        ),
        ("[timing]\ntick_ms = 30\n", r"squall\.toml: timing\.tick_ms must be a divisor of 1000, was 30"),
        ('[timing]\ntick_ms = "x"\n', r"squall\.toml: timing\.tick_ms: Input should be a valid integer"),
        ("timing = 3\n", r"squall\.toml: unknown setting `timing`"),
        ("partitions = 0\n", r"squall\.toml: partitions: Input should be greater than or equal to 1"),
        ('broker = "http://x"\n', r"squall\.toml: broker: expected host:port or kafka://host:port, found 'http://x'"),
        ("partitions = \n", r"squall\.toml: expected TOML, found: .*line 1"),
    ],
)
def test_a_bad_file_is_refused_with_name_and_reason(text: str, message: str, elsewhere: Path) -> None:
    elsewhere.joinpath("squall.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^{message}"):
        Settings()


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SQUALL_BROKERS", "a:1", r"SQUALL_BROKERS: unknown setting; did you mean `SQUALL_BROKER`\?"),
        ("SQUALL_TIMING__TICK", "1", r"SQUALL_TIMING__TICK: unknown setting; did you mean `SQUALL_TIMING__TICK_MS`\?"),
        ("SQUALL_TIMING__TICK_MS", "30", r"SQUALL_TIMING__TICK_MS: timing\.tick_ms must be a divisor of 1000, was 30"),
        ("SQUALL_PARTITIONS", "many", r"SQUALL_PARTITIONS: partitions: Input should be a valid integer"),
        ("SQUALL_PARTITIONS", "[1", r"SQUALL_PARTITIONS: partitions: Input should be a valid integer"),
        ("SQUALL_CONFIG", "absent.toml", r"absent\.toml: expected a settings file, found No such file"),
    ],
)
def test_a_bad_variable_is_refused_with_name_and_reason(
    variable: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{message}"):
        Settings()


def test_a_group_that_is_also_set_as_a_value_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_TIMING", "1")
    monkeypatch.setenv("SQUALL_TIMING__TICK_MS", "1")
    with pytest.raises(ConfigError, match="SQUALL_TIMING__TICK_MS: expected `timing` to be a group"):
        Settings()


def test_every_group_of_the_core_is_a_table_of_the_file() -> None:
    assert set(CORE_GROUPS) <= {name.partition(".")[0] for name in setting_names()}
    properties = settings_schema()["properties"]
    assert set(CORE_GROUPS) < set(properties)
    assert "core" not in properties


class WithSecret(Settings):
    token: SecretStr = Field(default=SecretStr(""))


def test_a_secret_is_masked_in_origins_and_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUALL_TOKEN", "hunter2")
    settings = WithSecret()
    assert settings.token.get_secret_value() == "hunter2"
    assert "hunter2" not in str(settings.origins()) + repr(settings)
    wrong: Any = ["hunter2"]
    with pytest.raises(ConfigError) as refused:
        WithSecret(token=wrong)
    assert "hunter2" not in str(refused.value)


def test_a_broker_address_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="broker: expected an address without user and password") as refused:
        Settings(broker="kafka://me:hunter2@host:9092")
    assert "hunter2" not in str(refused.value)
