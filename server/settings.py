"""Reads flags, environment and TOML, and no other module does: flags win over environment over file over defaults.

Settings
├── server   ├── storage   ├── limits   ├── jobs   ├── imports   ├── smtp
└── haplo    ├── folio     ├── learningbuilder     └── voss
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

FILE_NAME = "penstock.toml"
PREFIX = "PENSTOCK_"
SECRET = ("password",)
MASK = "(set, not shown)"

Bytes = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class SettingsWrong(Exception):
    """A wrong setting; `problems` has one sentence for each, with its place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def refuse_booleans(cls, value: object, info: ValidationInfo) -> object:
        wanted = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and wanted is not bool:  # pydantic would read true as 1
            raise ValueError("Input should not be true or false")
        return value


class Server(Section):
    host: str = Field(default="127.0.0.1", min_length=1, description="the address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    public_url: HttpUrl | None = Field(
        default=None, description="the address that clients use, where a proxy is in front"
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=(), description="addresses or networks of trusted proxies"
    )
    log_format: Literal["console", "json"] = Field(default="console", description="console or json")
    session_seconds: Count = Field(default=12 * 3600, description="how long signing in to the admin site lasts")


class Storage(Section):
    data_dir: Path = Field(default=Path("data"), description="the folder that holds everything received and imported")


class Limits(Section):
    max_upload_bytes: Bytes = Field(default=64 * 2**30, description="the largest body accepted, after decompression")
    max_request_seconds: Seconds = Field(default=6 * 3600, description="the longest one body may take to arrive")
    idle_seconds: Seconds = Field(default=60, description="the longest pause within a body")
    min_free_bytes: int = Field(default=512 * 2**20, ge=0, description="disk space that uploads must leave free")
    max_form_parts: Count = Field(default=100, description="parts in one form")
    max_field_bytes: Bytes = Field(default=64 * 2**10, description="the largest form field that is not a file")
    max_part_header_bytes: Bytes = Field(default=8 * 2**10, description="the longest header of one form part")
    max_small_body_bytes: Bytes = Field(default=8 * 2**20, description="the largest control file or plain form")
    threads: Count = Field(default=16, description="threads that write bodies to disk")


class Jobs(Section):
    slots: Count = Field(default=1, description="imports that run at the same time, each in its own process")
    attempts: Count = Field(default=3, description="how often a job is tried before it fails")
    chunk_records: Count = Field(
        default=5000, description="records committed together on the fast path; elsewhere a fifth"
    )
    memory_bytes: Bytes = Field(default=2 * 2**30, description="memory one import process may use")
    stall_seconds: Seconds = Field(default=300, description="an import without progress for this long is stopped")


class Imports(Section):
    dir: Path = Field(default=Path("imports"), description="the folder with models/*.json and processes/*.json")


class Smtp(Section):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)

    host: str | None = Field(default=None, description="the mail server; without one no mail is sent")
    port: int = Field(default=25, ge=1, le=65535, description="the mail server's port")
    sender: str = Field(default="penstock@localhost", alias="from", description="the address mail comes from")
    user: str | None = Field(
        default=None, description="the user name at the mail server; without one there is no login"
    )
    password: str | None = Field(default=None, description="the password of that user")
    tls: Literal["none", "starttls", "tls"] = Field(default="none", description="none, starttls, or tls from the start")
    timeout_seconds: Seconds = Field(default=30, le=120, description="how long the mail server may take")


class Haplo(Section):
    """Nothing to set yet."""


class Folio(Section):
    process_on_loaded: bool = Field(
        default=False, description="process the files of an upload definition as soon as all are uploaded"
    )
    upload_in_parts: bool = Field(default=False, description="tell clients to send large files in parts")
    part_url_seconds: Count = Field(default=3600, description="how long the address for one part works")
    access_seconds: Count = Field(default=600, description="how long a login lasts")
    refresh_seconds: Count = Field(default=7 * 24 * 3600, description="how long a login can be renewed")


class LearningBuilder(Section):
    """Nothing to set yet."""


class Voss(Section):
    hierarchies: tuple[str, ...] | None = Field(
        default=None, description="the dotted paths of all hierarchy nodes; without them any hierarchy is accepted"
    )
    callbacks: Literal["public", "anywhere"] = Field(
        default="public", description="where callbacks may go: public addresses, or anywhere"
    )


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    server: Server = Server()
    storage: Storage = Storage()
    limits: Limits = Limits()
    jobs: Jobs = Jobs()
    imports: Imports = Imports()
    smtp: Smtp = Smtp()
    haplo: Haplo = Haplo()
    folio: Folio = Folio()
    learningbuilder: LearningBuilder = LearningBuilder()
    voss: Voss = Voss()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Uses only the given values: `read_settings` merges the layers, to know which one a wrong value came from."""
        return (init_settings,)


class Layer(NamedTuple):
    """One source of settings. `place` is a format string that names a setting of it."""

    name: str
    place: str
    values: Mapping[str, Any]

    def has(self, section: str, key: str) -> bool:
        held = self.values.get(section)
        return isinstance(held, Mapping) and key in held


def read_settings(
    config: Path | None = None, flags: Mapping[str, Mapping[str, object]] | None = None, folder: Path | None = None
) -> Settings:
    """Returns the settings in force; raises SettingsWrong. Without `config` it reads penstock.toml of `folder`."""
    folder = folder or Path.cwd()
    file = config or folder / FILE_NAME
    layers = [
        Layer("flags", "--{key}", flags or {}),
        Layer("environment", PREFIX + "{SECTION}__{KEY}", EnvSettingsSource(Settings)()),
        _file_layer(file) if config or file.is_file() else Layer(FILE_NAME, "[{section}] {key}", {}),
        Layer("defaults", "[{section}] {key}", _defaults(file.parent)),
    ]
    _refuse_unknown_sections(layers)
    try:
        return Settings(**_merged(layers))
    except ValidationError as error:
        raise SettingsWrong(_problem(detail, layers) for detail in error.errors()) from None


def _defaults(base: Path) -> dict[str, dict[str, object]]:
    return {"storage": {"data_dir": base / "data"}, "imports": {"dir": base / "imports"}}


def _file_layer(path: Path) -> Layer:
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsWrong([f"{path}: no such file; `penstock init` writes one"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsWrong([f"{path}: cannot be read as TOML: {error}"]) from None
    return Layer(str(path), "[{section}] {key}", _with_paths(values, path.parent))


def _with_paths(values: dict[str, Any], base: Path) -> dict[str, Any]:
    """Makes paths in a file relative to the file, not to the current folder."""
    for section, keys in _defaults(base).items():
        for key in keys:
            given = values.get(section)
            if isinstance(given, dict) and isinstance(given.get(key), str):
                given[key] = base / given[key]
    return values


def _merged(layers: Iterable[Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(list(layers)):
        for section, values in layer.values.items():
            if isinstance(values, Mapping):
                merged[section] = {**merged.get(section, {}), **values}
            else:
                merged[section] = values
    return merged


def _refuse_unknown_sections(layers: Iterable[Layer]) -> None:
    problems = list(_unknown_variables())
    for layer in layers:
        problems += [_unknown_section(layer.name, name) for name in layer.values if name not in Settings.model_fields]
        problems += [
            f"{layer.name}: {name} = {values!r}: {name} is a section; write [{name}] and its settings below it"
            for name, values in layer.values.items()
            if name in Settings.model_fields and not isinstance(values, Mapping)
        ]
    if problems:
        raise SettingsWrong(problems)


def _unknown_section(layer: str, name: str) -> str:
    return f"{layer}: [{name}]: no such section{_nearest(name, Settings.model_fields)}"


def _unknown_variables() -> Iterator[str]:
    for variable in sorted(os.environ):
        if not variable.upper().startswith(PREFIX):
            continue
        section = variable[len(PREFIX) :].lower().partition("__")[0]
        if section not in Settings.model_fields:
            yield f"environment: {variable}: no such setting; the form is {PREFIX}SECTION__KEY" + _nearest(
                section, Settings.model_fields
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(known) or 'none yet'}"


def _problem(detail: Mapping[str, Any], layers: Iterable[Layer]) -> str:
    section, key = (str(part) for part in detail["loc"][:2])
    layer = next(layer for layer in layers if layer.has(section, key))
    place = layer.place.format(
        section=section,
        key=key.replace("_", "-") if layer.name == "flags" else key,
        SECTION=section.upper(),
        KEY=key.upper(),
    )
    where = f"{layer.name}: {place} = {_shown(detail['input'])}"
    fields = section_fields(section)
    if key not in fields:
        return f"{where}: no such setting{_nearest(key, fields)}"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
    return f"{where}: {message}. It is {fields[key][0]} (default: {_shown(fields[key][1])})"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else str(value) if isinstance(value, Path | int | float) else repr(value)


def shown(settings: Settings) -> dict[str, dict[str, str]]:
    """Returns the settings in force by section, with secrets masked."""
    return {
        section: {
            field.alias or name: MASK if name in SECRET and getattr(values, name) else _plainly(getattr(values, name))
            for name, field in type(values).model_fields.items()
        }
        for section in Settings.model_fields
        if type(values := getattr(settings, section)).model_fields
    }


def _plainly(value: object) -> str:
    """Returns a value for reading: no quotes, and thousands separated."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:,}".replace(",", "\u202f")
    return (
        ", ".join(map(str, value)) if isinstance(value, tuple) else value if isinstance(value, str) else _shown(value)
    )


def section_fields(section: str) -> dict[str, tuple[str, object]]:
    """Returns the settings of a section by their names in the file: description and default."""
    model = type(Settings.model_fields[section].default)
    return {field.alias or name: (field.description or "", field.default) for name, field in model.model_fields.items()}
