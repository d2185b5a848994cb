"""A running server with something of everything, so that what is described can be asked for."""

import base64
import io
import json
from collections.abc import Mapping
from typing import Any

import openpyxl
import requests

from tests.support.server_process import PATIENCE, Site

TENANT = "diku"


class Furnished:
    """`known` are real things by the names that the paths have for them, of each API."""

    def __init__(self, site: Site) -> None:
        self.key = site.run("keys", "create", "everything", "--scope", "admin").strip()
        self.address = "http://" + site.serve().address
        native, standard = self._native(site), self._waiting()
        self.known: Mapping[str, Mapping[str, str]] = {
            "/API/": {"importProcessId": "load", "fileName": "Ours", "creationPath": "OURS"},
            "/api/haplo-data-import-batch": self._haplo(),
            "/api/haplo-data-import-standard-api": {"kind": "load", "batch": standard},
            "/api/push-data": {"url": "entries"},
            "/api/v1": native,
            "/api/tool": (transaction := self._voss()),
            "/api/data/BulkLoad": {"pkid": transaction["load"]},
            "/api/data/Schedule": {"pkid": transaction["schedule"]},
            "/authn": {"username": "everything", "password": self.key},
            "/data-import": (definition := self._folio()),
            "/change-manager": {"job": definition["job"]},
            "/metadata-provider": {"job": definition["job"]},
        }

    def headers(self, path: str) -> dict[str, str]:
        """The key, in the way of the API that owns the path."""
        if path.startswith("/API/"):
            return {"Authorization": f"apikey {self.key}"}
        if path.startswith("/api/") or path in ("/metrics", "/openapi.json"):
            return {"Authorization": "Basic " + base64.b64encode(f"haplo:{self.key}".encode()).decode()}
        return {"x-okapi-token": self.key, "x-okapi-tenant": TENANT}

    def real(self, path: str) -> Mapping[str, str]:
        """Things that there are, by the names that requests below this path have for them."""
        found = [things for prefix, things in self.known.items() if path.startswith(prefix)]
        return {name: value for things in found for name, value in things.items()}

    def _ask(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = requests.request(
            method, self.address + path, headers=self.headers(path) | more.pop("headers", {}), timeout=PATIENCE, **more
        )
        assert answer.ok, answer.text
        return answer

    def _native(self, site: Site) -> Mapping[str, str]:
        rows = b'{"number": 1, "text": "one"}\n{"number": "many"}\n'
        prefix = "/api/haplo-data-import-standard-api"
        batch = self._ask("POST", f"{prefix}/batch", data={"kind": "load", "comment": "Ours"}).text
        self._ask("POST", f"{prefix}/file", data={"batch": batch, "name": "load"}, files={"file": rows})
        self._ask("POST", f"{prefix}/schedule", data={"batch": batch})
        job = site.ended(batch)
        file = self._ask("GET", f"/api/v1/batches/{batch}").json()["files"][0]["id"]
        return {"batch": batch, "file": str(file), "job": job["id"], "table": "entries", "id": "1", "process": "load"}

    def _haplo(self) -> Mapping[str, str]:
        control = {"dataImportControlFileVersion": 0, "model": "example:load", "files": {"DEFAULT": {"read": "json"}}}
        instructions = [
            {"action": "new", "destination": "entry"},
            {"source": "text", "destination": "entry", "name": "text"},
        ]
        file = json.dumps(control | {"instructions": instructions})
        prefix = "/api/haplo-data-import-batch"
        digest = self._ask("POST", f"{prefix}/control", files={"file": file}).text
        return {"control": digest, "batch": self._ask("POST", f"{prefix}/batch", data={"control": digest}).text}

    def _waiting(self) -> str:
        """A batch that takes files."""
        return self._ask("POST", "/api/haplo-data-import-standard-api/batch", data={"kind": "load"}).text

    def _voss(self) -> Mapping[str, str]:
        self._ask("POST", "/api/uploadfiles/", files={"uploadedfile": ("Loads.xlsx", _workbook())})
        load = {"bulkload_file": "Loads.xlsx", "execute_immediately": False, "execute_timezone": 0}
        when = {"execute_date": "2999-01-01", "execute_time": "00:00:00"}
        path = "/api/tool/BulkLoad/?method=bulkload_spreadsheet&hierarchy=sys"
        transaction = self._ask("POST", path, json=load | when).json()["transaction_id"]
        schedules = self._ask("GET", "/api/data/Schedule/").json()["resources"]
        loads = self._ask("GET", "/api/data/BulkLoad/").json()["resources"]
        return {
            "pkid": transaction,
            "transactions": transaction,
            "bulkload_file": "Loads.xlsx",
            "filename": "Loads.xlsx",
            "hierarchy": "sys",
            "schedule": schedules[0]["data"]["pkid"],
            "load": loads[0]["data"]["pkid"],
        }

    def _folio(self) -> Mapping[str, str]:
        files = {"fileDefinitions": [{"name": "bib.mrc"}]}
        made = self._ask("POST", "/data-import/uploadDefinitions", data=json.dumps(files), headers=_JSON).json()
        extensions = self._ask("GET", "/data-import/fileExtensions").json()["fileExtensions"]
        return {
            "definition": made["id"],
            "file": made["fileDefinitions"][0]["id"],
            "job": made["fileDefinitions"][0]["jobExecutionId"],
            "extension": extensions[0]["id"],
            "uploadDefinitionId": made["id"],
            "fileId": made["fileDefinitions"][0]["id"],
        }


_JSON = {"Content-Type": "application/json"}


def _workbook() -> bytes:
    book = openpyxl.Workbook()
    for row in (["entity: data/Countries"], ["country_name"], ["Utopia"]):
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()
