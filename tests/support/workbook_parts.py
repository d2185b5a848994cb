"""Spreadsheets written by hand, part by part."""

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
LINK = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
ODF = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"


def letters(place: int) -> str:
    return chr(65 + place)


def text(content: str) -> str:
    """What stands behind a cell's place."""
    return f' t="inlineStr"><is><t xml:space="preserve">{content}</t></is></c>'


def number(content: object, style: int | None = None) -> str:
    return f"{'' if style is None else f' s={chr(34)}{style}{chr(34)}'}><v>{content}</v></c>"


def xlsx_parts(rows: Sequence[Sequence[str]], *, formats: Sequence[str] = (), folder: str = "xl/") -> dict[str, str]:
    """The sheet `Data`; style 0 is General, style n is the nth of `formats`."""
    made = "".join(
        f'<row r="{at}">' + "".join(f'<c r="{letters(x)}{at}"{cell}' for x, cell in enumerate(cells) if cell) + "</row>"
        for at, cells in enumerate(rows, 1)
    )
    own = "".join(f'<numFmt numFmtId="{164 + n}" formatCode="{code}"/>' for n, code in enumerate(formats))
    used = "".join(f'<xf numFmtId="{164 + n}"/>' for n in range(len(formats)))
    return {
        "_rels/.rels": relations(("officeDocument", f"{folder}workbook.xml")),
        f"{folder}workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{LINK}"><workbookPr/><sheets>'
        '<sheet name="Data" sheetId="1" r:id="rId1"/></sheets></workbook>',
        f"{folder}_rels/workbook.xml.rels": relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        f"{folder}styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts>{own}</numFmts><cellXfs><xf numFmtId="0"/>{used}'
        "</cellXfs></styleSheet>",
        f"{folder}worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{made}</sheetData></worksheet>',
    }


def relations(*links: tuple[str, str]) -> str:
    made = "".join(
        f'<Relationship Id="rId{n}" Type="{LINK}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(links, 1)
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{made}</Relationships>'


def packed(parts: Mapping[str, str | bytes], *, name: Callable[[str], str] = str, encoding: str = "utf-8") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            head = f'<?xml version="1.0" encoding="{encoding}"?>\n'
            made = content if isinstance(content, bytes) else (head + content).encode(encoding)
            archive.writestr(name(part), made, zipfile.ZIP_STORED if part == "mimetype" else zipfile.ZIP_DEFLATED)
    return file.getvalue()


def xlsx(*rows: Sequence[str], formats: Sequence[str] = ()) -> bytes:
    return packed(xlsx_parts(rows, formats=formats))


def ods(*tables: tuple[str, str], manifest: str = "") -> bytes:
    """Each table its name and its rows as XML."""
    spaces = " ".join(f'xmlns:{name}="{ODF.format(name)}"' for name in ("office", "table", "text"))
    spaces += ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    made = "".join(f'<table:table table:name="{name}">{rows}</table:table>' for name, rows in tables)
    content = (
        f"<office:document-content {spaces}><office:body><office:spreadsheet>{made}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    parts: dict[str, str | bytes] = {
        "mimetype": b"application/vnd.oasis.opendocument.spreadsheet",
        "content.xml": content,
    }
    space = 'xmlns="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"'
    return packed(
        parts | {"META-INF/manifest.xml": f"<manifest {space}><file-entry>{manifest}</file-entry></manifest>"}
    )


def ods_row(*cells: str, times: int = 1) -> str:
    return f'<table:table-row table:number-rows-repeated="{times}">{"".join(cells)}</table:table-row>'


def ods_cell(kind: str = "", shown: str = "", *, times: int = 1, **attributes: str) -> str:
    """`value`, `date_value` and so on are the office's, `formula` is the table's."""
    more = f' office:value-type="{kind}"' if kind else ""
    for name, value in attributes.items():
        more += f' {"table" if name == "formula" else "office"}:{name.replace("_", "-")}="{value}"'
    inside = shown if shown.startswith("<") else f"<text:p>{shown}</text:p>" if shown else ""
    return f'<table:table-cell table:number-columns-repeated="{times}"{more}>{inside}</table:table-cell>'
